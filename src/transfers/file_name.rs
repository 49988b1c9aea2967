//! Names that files are given by others.

/// Bytes of a name: file systems take 255, and what is not whole yet has a longer one.
const LONGEST: usize = 180;

/// Names that mean devices on Windows, whatever stands behind a dot.
const DEVICES: [&str; 4] = ["con", "prn", "aux", "nul"];

/// A name from outside as one that can be used anywhere: without directories, characters that file systems or terminals do
/// something with, or names that are none. Never empty.
///
/// ```
/// use actogram::transfers::sanitized;
/// assert_eq!(sanitized("../../etc/passwd"), "passwd");
/// assert_eq!(sanitized("C:\\boot.ini"), "boot.ini");
/// assert_eq!(sanitized("..."), "file");
/// ```
pub fn sanitized(name: &str) -> String {
    let last = name.rsplit(['/', '\\', '\0']).next().unwrap_or_default();
    let mut clean: String = last
        .chars()
        .map(|it| match it {
            '<' | '>' | ':' | '"' | '|' | '?' | '*' => '_',
            // What turns the direction of writing can hide an extension.
            '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '_',
            it if it.is_control() => '_',
            it => it,
        })
        .collect();
    // The extension stays.
    let extension = clean
        .rfind('.')
        .map(|dot| clean[dot..].to_owned())
        .filter(|extension| extension.len() <= 20 && extension.len() < clean.len());
    if clean.len() > LONGEST {
        let extension = extension.unwrap_or_default();
        let mut cut = LONGEST - extension.len();
        while !clean.is_char_boundary(cut) {
            cut -= 1;
        }
        clean.truncate(cut);
        clean.push_str(&extension);
    }
    // A leading dot hides a file; dots and spaces at the end get lost on Windows.
    let clean = clean
        .trim_start_matches(['.', ' '])
        .trim_end_matches(['.', ' ']);
    let stem = clean.split('.').next().unwrap_or_default().to_lowercase();
    let numbered = |device: &str| {
        let digits = stem.strip_prefix(device);
        digits.is_some_and(|rest| rest.len() == 1 && rest.chars().all(|it| it.is_ascii_digit()))
    };
    if clean.is_empty() {
        return "file".to_owned();
    }
    if DEVICES.contains(&stem.as_str()) || numbered("com") || numbered("lpt") {
        return format!("_{clean}");
    }
    clean.to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a7_names_that_lead_elsewhere_lead_nowhere() {
        for (name, clean) in [
            ("a.txt", "a.txt"),
            ("", "file"),
            (".", "file"),
            ("..", "file"),
            ("../x", "x"),
            ("/etc/passwd", "passwd"),
            ("..\\..\\x.exe", "x.exe"),
            ("a\0b", "b"),
            (".bashrc", "bashrc"),
            ("con", "_con"),
            ("NUL.txt", "_NUL.txt"),
            ("com1", "_com1"),
            ("comet", "comet"),
            ("a:b", "a_b"),
            ("photo\u{202e}gpj.exe", "photo_gpj.exe"),
            ("a\nb\x1b[31m", "a_b_[31m"),
            ("ends. ", "ends"),
            ("прив т.txt", "прив т.txt"),
        ] {
            assert_eq!(sanitized(name), clean, "{name:?}");
        }
    }

    proptest! {
        #[test]
        fn a_name_is_one_component_and_stays_what_it_is(name in any::<String>()) {
            let clean = sanitized(&name);
            prop_assert!(!clean.is_empty() && clean.len() <= LONGEST + 1);
            let path = std::path::Path::new(&clean);
            prop_assert_eq!(path.components().count(), 1);
            prop_assert_eq!(path.file_name().and_then(|it| it.to_str()), Some(clean.as_str()));
            prop_assert_eq!(sanitized(&clean), clean);
        }
    }
}
