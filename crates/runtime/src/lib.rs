//! Supervised actors and loops on actix: restarts on the same address, control before data, combinators.
