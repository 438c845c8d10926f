//! What is held of a person, opened for them: an archive with a page to read and the same as data. It is made when it is
//! asked for and kept nowhere.

use std::io::{Cursor, Write};
use std::sync::Arc;

use domain::people::AccessCore;
use engine::{Engine, HeldElsewhere, HeldInference, HeldRows, HeldToken};
use serde_json::{Value, json};
use zip::write::SimpleFileOptions;

use crate::{AssuranceError, pdf};

/// The archive for a request, as the bytes of a ZIP file, with inferences after the first `from`; and where the next part
/// begins, when there are more than one archive takes. Who may have it is for the caller to ask.
///
/// # Errors
/// When there is no such request, or something cannot be read.
pub async fn export_of_person(
    engine: &Arc<Engine>,
    request: &str,
    from: u64,
) -> Result<(Vec<u8>, Option<u64>), AssuranceError> {
    let known = engine.request(request).map_err(|refusal| AssuranceError::NotFound(refusal.message))?;
    let asked = engine.request_text(request).await?;
    let profile = match &known.received.actor {
        Some(actor) => engine.profile(actor).await?,
        None => None,
    };
    let (inferences, left_out) = engine.held_inferences(request, from).await?;
    let next = (left_out > 0).then(|| from.saturating_add(inferences.len() as u64));
    let HeldElsewhere { tokens, rows, accesses, accesses_left_out } = engine.held_elsewhere(request).await?;
    let data = json!({
        "request": request,
        "made_at": Engine::now_ms(),
        "asked": asked,
        "profile": profile,
        "inferences": inferences.iter().map(value).collect::<Vec<_>>(),
        "inferences_left_out": Some(left_out).filter(|count| *count > 0),
        "next_part_from": next,
        "tokens": tokens.iter().map(token).collect::<Vec<_>>(),
        "datasets": rows.iter().map(rows_of).collect::<Vec<_>>(),
        "accesses": accesses.iter().map(access).collect::<Vec<_>>(),
        "accesses_left_out": Some(accesses_left_out).filter(|count| *count > 0),
    });
    let bytes = archive(&data).map_err(|e| AssuranceError::Io(e.to_string()))?;
    Ok((bytes, next))
}

fn value(held: &HeldInference) -> Value {
    let core = &held.core;
    let contents = held.contents.as_ref().map(|fields| {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        fields.iter().map(|(name, bytes)| (name.clone(), text(bytes))).collect::<std::collections::BTreeMap<_, _>>()
    });
    json!({
        "id": core.inference_id, "at": pdf::time(core.ts_start.div_euclid(1000)), "service": core.service,
        "model": core.model, "version": core.version, "provider": core.provider, "region": core.region,
        "purpose": core.purpose, "classification": core.classification, "status": core.status, "contents": contents,
    })
}

fn token(held: &HeldToken) -> Value {
    json!({"scope": held.scope, "token": held.token, "value": held.value})
}

fn rows_of(held: &HeldRows) -> Value {
    let HeldRows { dataset, version, header, rows, left_out } = held;
    json!({"name": dataset, "version": version, "columns": header, "rows": rows, "left_out": left_out})
}

fn access(core: &AccessCore) -> Value {
    json!({
        "at": pdf::time(core.ts_end.div_euclid(1000)), "action": core.action, "object_kind": core.object_kind,
        "object": core.object_id, "purpose": core.purpose, "decision": core.decision,
    })
}

fn archive(data: &Value) -> Result<Vec<u8>, Box<dyn std::error::Error>> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    zip.start_file("index.html", options)?;
    zip.write_all(page(data).as_bytes())?;
    zip.start_file("data.json", options)?;
    zip.write_all(&serde_json::to_vec_pretty(data)?)?;
    Ok(zip.finish()?.into_inner())
}

/// The page: every value in the order of the data, and nothing that a browser would load or run.
fn page(data: &Value) -> String {
    let mut html = String::from(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\
         <title>What is held about you</title>\
         <style>body{font-family:sans-serif;max-width:60em;margin:2em auto;padding:0 1em}\
         pre{white-space:pre-wrap;background:#f4f4f4;padding:.5em}dt{font-weight:bold}</style></head><body>\n\
         <h1>What is held about you</h1>\n",
    );
    for (title, member, empty) in [
        ("What you wrote when you asked", "asked", "It is not held any more."),
        ("You as somebody who acts here", "profile", "You do not act here, or nothing is known."),
        ("What you sent to models, and what they answered", "inferences", "Nothing is held."),
        ("How many more of those there are, in the next part", "inferences_left_out", "None: this is the last part."),
        ("Tokens, and what of yours they stand for", "tokens", "There are none."),
        ("Data sets with rows of yours", "datasets", "There are none."),
        ("What you asked for as somebody who acts here", "accesses", "Nothing is on record."),
        ("How many more of those there are", "accesses_left_out", "None: all are above."),
    ] {
        html += &format!("<h2>{title}</h2>\n");
        let value = &data[member];
        if value.is_null() || value.as_array().is_some_and(Vec::is_empty) {
            html += &format!("<p>{empty}</p>\n");
        } else {
            show(value, &mut html);
        }
    }
    html + "</body></html>\n"
}

fn show(value: &Value, html: &mut String) {
    match value {
        Value::Null => html.push_str("<p>not held any more</p>\n"),
        Value::Array(items) => items.iter().for_each(|item| show(item, html)),
        Value::Object(members) => {
            html.push_str("<dl>\n");
            for (name, value) in members.iter().filter(|(_, value)| !value.is_null()) {
                *html += &format!("<dt>{}</dt><dd>", escaped(name));
                show(value, html);
                html.push_str("</dd>\n");
            }
            html.push_str("</dl>\n");
        }
        Value::String(text) => *html += &format!("<pre>{}</pre>\n", escaped(text)),
        other => *html += &format!("<pre>{other}</pre>\n"),
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_what_somebody_sent_when_shown_then_it_is_text_and_nothing_runs() {
        let data = json!({"inferences": [{"contents": {"request": "<script>alert(1)</script> & more"}}]});
        let held = HeldRows {
            dataset: "loans".into(),
            version: "1".into(),
            header: Some("email,note".into()),
            rows: vec!["ann@example.com,<b>late</b>".into()],
            left_out: 2,
        };
        let (scope, value) = ("mail".to_owned(), Some("<i>ann</i>".to_owned()));
        let kept = HeldToken { scope, token: "tok_1".into(), value };
        let rows = self::page(&json!({"datasets": [rows_of(&held)], "tokens": [token(&kept)]}));
        for text in ["email,note", "ann@example.com,&lt;b&gt;late&lt;/b&gt;", "tok_1", "&lt;i&gt;ann&lt;/i&gt;"] {
            assert!(rows.contains(text), "{text}: {rows}");
        }
        let page = page(&data);
        assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt; &amp; more") && !page.contains("<script>"));
        assert!(page.contains("Nothing is held.") || page.contains("There are none."));
        let asked = AccessCore { action: "read".into(), object_id: Some("m_1".into()), ..AccessCore::default() };
        assert!(self::page(&json!({"accesses": [access(&asked)]})).contains("<pre>m_1</pre>"));
        let zip = archive(&data).expect("written");
        assert!(zip.starts_with(b"PK"));
    }
}
