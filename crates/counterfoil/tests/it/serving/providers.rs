//! Providers within the bounds of the server's settings: no secret of the server and no address of its network opens to
//! whoever may declare a provider.

use serde_json::json;

use crate::support::World;

#[test]
fn given_a_provider_that_the_settings_forbid_when_applied_then_it_is_refused_with_what_to_do() {
    let mut world = World::empty(&[("COUNTERFOIL_PROVIDERS_PRIVATE_HOSTS", "10.0.0.7, *.internal")]);
    world.start();
    for (spec, reason) in [
        ("base_url = \"http://169.254.169.254/v1\"", "169.254.169.254"),
        ("base_url = \"http://metadata.google.internal/v1\"", "metadata.google.internal"),
        ("base_url = \"http://10.0.0.8/v1\"", "providers.private_hosts"),
        ("base_url = \"https://host.example/v1\"\napi_key_env = \"DATABASE_URL\"", "providers.credential_env"),
    ] {
        let file = world.file("org.toml", &format!("[provider.acme]\nkind = \"openai\"\n{spec}\n"));
        let run = world.cli(&["--json", "apply", "-f", &file, "--yes"]);
        assert!(run.code != 0 && run.err.contains(reason), "{spec}: {run:?}");
    }
    assert_eq!(world.sql("select * from events where type = 'provider.declared'"), Vec::<serde_json::Value>::new());
    for base_url in ["http://10.0.0.7:8000/v1", "http://vllm.internal/v1"] {
        let org =
            format!("[provider.acme]\nkind = \"openai\"\nbase_url = \"{base_url}\"\napi_key_env = \"ACME_API_KEY\"\n");
        world.json(&["apply", "-f", &world.file("org.toml", &org), "--yes"]);
    }
}

#[test]
fn given_a_provider_declared_under_wider_settings_when_called_under_narrower_ones_then_no_secret_leaves() {
    let mut world = World::empty(&[("PLAIN_SECRET", "hush"), ("COUNTERFOIL_PROVIDERS_CREDENTIAL_ENV", "PLAIN_*")]);
    world.start();
    let org = world.org().replace("kind = \"openai\"\n", "kind = \"openai\"\napi_key_env = \"PLAIN_SECRET\"\n");
    world.json(&["apply", "-f", &world.file("org.toml", &org), "--yes"]);
    world.key = world.create_key("support");
    assert_eq!(world.chat("chat").status, 200);
    assert!(world.upstream.seen()[0].head.contains("Bearer hush"));

    world.stop();
    world.set("COUNTERFOIL_PROVIDERS_CREDENTIAL_ENV", "ACME_API_KEY");
    world.start();
    let answer = world.chat("chat");
    assert_eq!((answer.status, &answer.json()["error"]["code"]), (503, &json!("provider_forbidden")));
    assert_eq!(world.upstream.seen().len(), 1, "the provider was not called again");
    let record = world.records().pop().expect("a record");
    assert_eq!((&record["status"], &record["error_code"]), (&json!("refused"), &json!("provider_forbidden")));
}
