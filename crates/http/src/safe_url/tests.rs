#![expect(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;

use super::*;

#[test]
fn urls_print_as_they_were_written_but_for_user_query_and_fragment() {
    for (text, printed) in [
        ("https://host", "https://host"),
        ("https://Host/A%2fb/", "https://Host/A%2fb/"),
        ("https://user:p@ss@host/x?token=1#f", "https://host/x"),
        ("https://u:p@host:1/a?token=b#c", "https://host:1/a"),
        ("https://token@host/x", "https://host/x"),
        ("https://user:pass@host/team/app@v2", "https://host/team/app@v2"),
        ("https://user:pass@host:8443/team/app@v2", "https://host:8443/team/app@v2"),
        ("https://host/app@v2", "https://host/app@v2"),
        ("https://host/x?mail=a@b", "https://host/x"),
        ("http://127.0.0.1:8080/a@b", "http://127.0.0.1:8080/a@b"),
        ("http://[::1]:8080/a@b?c@d", "http://[::1]:8080/a@b"),
        ("ssh://git@host:22/r.git", "ssh://host:22/r.git"),
        ("file:///srv/r", "file:///srv/r"),
    ] {
        assert_eq!(printable_url(text), printed, "{text}");
    }
}

#[test]
fn parsed_urls_print_as_they_are_sent() {
    for (text, printed) in [
        ("https://user:s3cret@h/x?token=s3cret#s3cret", "https://h/x"),
        ("https://H", "https://h/"),
        ("https:\\\\user:s3cret@h\\x", "https://h/x"),
        (" https:user:s3cret@h/x", "https://h/x"),
        ("http://user/na:me@host/charts", "http://host/charts"),
    ] {
        let url = SafeUrl::parse(text).unwrap();
        assert_eq!((url.to_string(), format!("{url:?}")), (printed.to_owned(), format!("{printed:?}")), "{text}");
        assert_eq!(SafeUrl::from(url.into_url()).to_string(), printed, "{text}");
    }
}

#[test]
fn nothing_before_the_last_at_is_printed_where_it_may_be_a_user() {
    for (text, printed) in [
        ("https://user:pa/ss@host/charts", "https://host/charts"),
        ("https://user:pa/s@s@host/charts", "https://host/charts"),
        ("http://user/na:me@host/charts", "http://host/charts"),
        ("https://user:12/34@host/charts", "https://host/charts"),
        ("https://user:/34@host/charts", "https://host/charts"),
        ("https://user:443/34@host/charts", "https://host/charts"),
        ("oci://user:pa/ss@host/charts", "oci://host/charts"),
        ("user:s3cret@proxy:3128", "proxy:3128"),
        ("@alias/", "@alias/"),
        ("git@host:team/r.git", "host:team/r.git"),
        ("user:s3://cret@host", "host"),
        ("https://user:pa?ss@host/charts", "https://***"),
        ("https://user:12#34@host/charts", "https://***"),
        ("https://user:pa/ss@host/charts?mail=a@b", "https://***"),
        ("not a url", "not a url"),
        ("http://", "http://"),
        ("http://h:x/?token=s3cret", "http://h:x/"),
    ] {
        assert_eq!(printable_url(text), printed, "{text}");
        let parsed = SafeUrl::parse(text).map_or_else(|error| error.to_string(), |url| url.to_string());
        assert!(!parsed.contains("pa/s") && !parsed.contains("34") && !parsed.contains("user"), "{text}: {parsed}");
    }
}

#[test]
fn a_digest_is_no_host() {
    for text in [
        "oci://host/app:1.0@sha256:0123abcd",
        "oci://localhost:5000/app@sha512:0123abcd",
        "oci://registry.example:5000/app@sha256:0123abcd",
        "oci://registry:port/app@sha256:0123abcd",
    ] {
        assert_eq!(printable_url(text), text);
    }
    assert_eq!(printable_url("oci://user:pa/ss@host/app@sha256:0123abcd"), "oci://host/app@sha256:0123abcd");
    assert_eq!(printable_url("oci://us/er:pass@sha256:12/app@sha256:x"), "oci://sha256:x");
}

#[test]
fn a_password_stays_hidden_when_the_url_changes() {
    let url = SafeUrl::parse("https://user:/s3cret@host/charts").unwrap();
    let (basic, index) = url.with(|url| url.set_path(&format!("{}/index.yaml", url.path()))).split();
    assert_eq!((basic, index.to_string()), (None, "https://host/charts/index.yaml".to_owned()));
}

#[test]
fn what_may_have_been_a_user_is_a_secret_in_the_words_of_others() {
    let words = "no answer of user:12 (user, port 12) about 34@host/charts";
    let secrets = |text: &str| SafeUrl::parse(text).unwrap().secrets().redact(words);
    assert_eq!(secrets("https://user:12/34@host/charts"), "no answer of *** (***, port ***) about ***@host/charts");
    assert_eq!(secrets("https://user:12@host/charts"), "no answer of user:*** (user, port ***) about 34@host/charts");
    assert_eq!(secrets("https://user:12/charts"), words);
}

#[test]
fn a_port_after_a_user_stays_one_without_the_user() {
    let (_, url) = SafeUrl::parse("https://user:pass@host:8443/team/app@v2?q").unwrap().split();
    assert_eq!((url.to_string(), url.is_doubtful()), ("https://host:8443/team/app@v2".to_owned(), false));
}

#[test]
fn user_and_password_are_taken_off_and_decoded() {
    let (basic, url) = SafeUrl::parse("https://u%40x:p%2Fq@host/r?q").unwrap().split();
    assert_eq!((basic, url.as_str()), (Some(Basic::new("u@x", "p/q")), "https://host/r?q"));
    assert_eq!(SafeUrl::parse("https://host/").unwrap().split().0, None);
}

#[test]
fn what_is_no_url_is_refused_without_its_secrets() {
    let error = SafeUrl::parse("https://user:pa/ss@host/charts?token=s3cret").unwrap_err();
    assert_eq!(error.to_string(), r#"parse "https://host/charts": invalid port number"#);
}

/// A secret: its letters, with anything before, within and after that can mislead a parser. Only an `@` is not followed by what ends
/// an authority: `https://user:pass@host/app@v2` has its host after the first `@`.
fn secret() -> impl Strategy<Value = String> {
    let odd = r"[:/?#@%\\\[\]&= \n\u{e9}0-9a-z]{0,3}";
    let secret = (odd, odd, odd).prop_map(|(before, within, after)| format!("{before}S3CRET{within}S3CRET{after}"));
    secret.prop_filter("it has a host", |secret| secret.split_once('@').is_none_or(|(_, rest)| !rest.contains(['/', '?', '#', '\\'])))
}

fn printed_forms(text: &str) -> Vec<String> {
    let mut forms = vec![printable_url(text)];
    match SafeUrl::parse(text) {
        Ok(url) => {
            let below = url.with(|url| url.set_path(&format!("{}/index.yaml", url.path())));
            forms.extend([url.to_string(), format!("{url:?}"), below.to_string()]);
        }
        Err(error) => forms.extend([error.to_string(), format!("{error:?}")]),
    }
    forms
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn a_secret_in_any_part_of_a_url_is_printed_nowhere(
        secret in secret(),
        scheme in "(https|http|ssh|oci|socks5|ftp)",
        slashes in r"(://|:|:/|:\\\\)",
        user in "[a-z0-9.-]{0,4}",
        host in r"([a-z]{1,4}(\.example)?|127\.0\.0\.1|\[::1\]|no host|)(:8080|:port)?",
        path in "(/[a-z@.]{0,4}){0,2}",
    ) {
        let plain = format!("{scheme}://");
        let start = if user.is_empty() { plain } else { format!("{scheme}{slashes}") };
        for text in [
            format!("{start}{user}:{secret}@{host}{path}"),
            format!("{start}{secret}:{user}@{host}{path}"),
            format!("{start}{user}:{secret}@{host}{path}?{user}#{user}"),
            format!("{start}{host}{path}?token={secret}"),
            format!("{start}{host}{path}#{secret}"),
            format!("{start}{user}:{secret}@{host}{path}?token={secret}#{secret}"),
            // Without a slash: `user://password` is a URL of its own.
            format!("{user}:{}@{host}", secret.trim_start_matches('/')),
        ] {
            for printed in printed_forms(&text) {
                prop_assert!(!printed.to_lowercase().contains("s3cret"), "{text:?} prints as {printed:?}");
            }
        }
    }

    #[test]
    fn a_token_in_place_of_a_user_is_printed_nowhere(token in "[A-Za-z0-9:@%_-]{0,3}S3CRET[A-Za-z0-9:@%_-]{0,3}", path in "(/[a-z@.]{0,4}){0,2}") {
        for printed in printed_forms(&format!("https://{token}@host{path}")) {
            prop_assert!(!printed.to_lowercase().contains("s3cret"), "{token:?} prints as {printed:?}");
        }
    }
}
