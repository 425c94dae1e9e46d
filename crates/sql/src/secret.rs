//! Which options hold secrets, and how they are shown.

/// Options that hold secrets are never shown.
pub(crate) fn masked(key: &str, value: &str) -> String {
    let secret = is_secret(key) && !(value.starts_with("${") && value.ends_with('}'));
    if secret { "******".to_owned() } else { value.to_owned() }
}

/// Whether an option's name says that its value is a secret.
pub fn is_secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    let words = [
        "password",
        "secret",
        "token",
        "access-key",
        "accesskey",
        "api-key",
        "api_key",
        "sasl.jaas",
    ];
    words.iter().any(|s| key.contains(s))
}
