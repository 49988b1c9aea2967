//! Logins under way: codes that were issued, and accounts that still owe their two-step password.

use std::collections::BTreeMap;
use std::time::Duration;

use super::records::{AuthKeyId, UserId};

/// How long a login code is good for.
pub const LOGIN_CODE_LIFETIME: Duration = Duration::from_secs(300);
/// A code is void after so many wrong answers.
pub const MAX_CODE_ATTEMPTS: u32 = 5;

/// A login code as it goes to the operator, who stands for the person's phone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuedCode {
    /// Digits only.
    pub phone: String,
    /// The code to enter.
    pub code: String,
}

#[derive(Debug)]
struct Attempt {
    phone: String,
    code: String,
    issued: Duration,
    wrong: u32,
    verified: bool,
}

/// What a code turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CodeCheck {
    Right,
    Wrong,
    Expired,
}

/// Logins under way.
#[derive(Debug, Default)]
pub(crate) struct Logins {
    attempts: BTreeMap<String, Attempt>,
    password_owed: BTreeMap<AuthKeyId, UserId>,
}

impl Logins {
    /// Records a code; codes issued earlier for this phone are void.
    pub(crate) fn issue(&mut self, now: Duration, hash: String, phone: String, code: String) {
        self.attempts.retain(|_, attempt| {
            attempt.phone != phone && now.saturating_sub(attempt.issued) < LOGIN_CODE_LIFETIME
        });
        self.attempts.insert(
            hash,
            Attempt {
                phone,
                code,
                issued: now,
                wrong: 0,
                verified: false,
            },
        );
    }

    /// Whether this code was issued for this phone and is still good.
    pub(crate) fn is_live(&self, now: Duration, hash: &str, phone: &str) -> bool {
        self.attempts.get(hash).is_some_and(|attempt| {
            attempt.phone == phone
                && attempt.wrong < MAX_CODE_ATTEMPTS
                && now.saturating_sub(attempt.issued) < LOGIN_CODE_LIFETIME
        })
    }

    pub(crate) fn check(
        &mut self,
        now: Duration,
        hash: &str,
        phone: &str,
        code: &str,
    ) -> CodeCheck {
        if !self.is_live(now, hash, phone) {
            return CodeCheck::Expired;
        }
        let Some(attempt) = self.attempts.get_mut(hash) else {
            return CodeCheck::Expired;
        };
        if actogram_crypto::compare::constant_time_eq(attempt.code.as_bytes(), code.as_bytes()) {
            attempt.verified = true;
            CodeCheck::Right
        } else {
            attempt.wrong += 1;
            CodeCheck::Wrong
        }
    }

    /// Whether the right code was entered for this hash, as `auth.signUp` demands.
    pub(crate) fn is_verified(&self, now: Duration, hash: &str, phone: &str) -> bool {
        self.is_live(now, hash, phone) && self.attempts.get(hash).is_some_and(|a| a.verified)
    }

    /// Forgets a code.
    pub(crate) fn end(&mut self, hash: &str) {
        self.attempts.remove(hash);
    }

    /// A key passed the code and owes the password of this account, or no longer does.
    pub(crate) fn owe_password(&mut self, auth_key_id: AuthKeyId, user: Option<UserId>) {
        match user {
            Some(user) => {
                self.password_owed.insert(auth_key_id, user);
            }
            None => {
                self.password_owed.remove(&auth_key_id);
            }
        }
    }

    pub(crate) fn password_owed_by(&self, auth_key_id: AuthKeyId) -> Option<UserId> {
        self.password_owed.get(&auth_key_id).copied()
    }
}

/// The digits of a phone number, or nothing if it is none (7 to 15 digits; spaces, dashes, brackets and one leading
/// `+` are let through).
pub fn normalize_phone(phone: &str) -> Option<String> {
    let trimmed = phone.trim();
    let rest = trimmed.strip_prefix('+').unwrap_or(trimmed);
    let mut digits = String::new();
    for c in rest.chars() {
        match c {
            '0'..='9' => digits.push(c),
            ' ' | '-' | '(' | ')' => {}
            _ => return None,
        }
    }
    (7..=15).contains(&digits.len()).then_some(digits)
}

/// The fixed code of a test number `99966XYYYY` (X from 1 to 3): X five times.
/// See <https://core.telegram.org/api/auth#test-accounts>.
pub fn test_code(phone: &str) -> Option<String> {
    let rest = phone.strip_prefix("99966")?;
    let x = rest.chars().next()?;
    (rest.len() == 5 && ('1'..='3').contains(&x)).then(|| x.to_string().repeat(5))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phone_is_its_digits() {
        assert_eq!(
            normalize_phone("+49 (151) 234-5678").as_deref(),
            Some("491512345678")
        );
        assert_eq!(normalize_phone("12a4567890"), None);
        assert_eq!(normalize_phone("123456"), None);
        assert_eq!(normalize_phone("1234567890123456"), None);
    }

    #[test]
    fn only_test_numbers_have_a_fixed_code() {
        assert_eq!(test_code("9996621234").as_deref(), Some("22222"));
        assert_eq!(test_code("9996641234"), None);
        assert_eq!(test_code("99966212345"), None);
        assert_eq!(test_code("4915123456"), None);
    }

    #[test]
    fn a_code_is_void_after_time_or_wrong_answers() {
        let mut logins = Logins::default();
        let t = Duration::from_secs(1000);
        logins.issue(t, "h".into(), "9996612345".into(), "11111".into());
        assert_eq!(
            logins.check(t, "h", "9996612345", "22222"),
            CodeCheck::Wrong
        );
        assert_eq!(
            logins.check(t, "h", "9996612345", "11111"),
            CodeCheck::Right
        );
        assert_eq!(
            logins.check(t, "other", "9996612345", "11111"),
            CodeCheck::Expired
        );
        assert_eq!(
            logins.check(t + LOGIN_CODE_LIFETIME, "h", "9996612345", "11111"),
            CodeCheck::Expired
        );
        for _ in 1..MAX_CODE_ATTEMPTS {
            assert_eq!(logins.check(t, "h", "9996612345", "0"), CodeCheck::Wrong);
        }
        assert_eq!(
            logins.check(t, "h", "9996612345", "11111"),
            CodeCheck::Expired
        );
    }
}
