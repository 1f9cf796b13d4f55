//! The configuration as a JSON schema, for editors.

use serde_json::{Map, Value, json};

use super::keys::{Key, Kind, Number, SECTIONS, Section};

/// JSON Schema, draft 2020-12: of the JSON form, and of TOML for editors that hold TOML against such.
pub fn schema() -> Value {
    let mut root = object("The configuration of procwatch; every key is optional.");
    for section in SECTIONS {
        put(&mut root, section);
    }
    root["$schema"] = "https://json-schema.org/draft/2020-12/schema".into();
    root["title"] = "procwatch".into();
    root
}

fn object(meaning: &str) -> Value {
    json!({
        "type": "object",
        "description": meaning,
        "properties": {},
        "additionalProperties": false,
    })
}

/// Puts a section where its path leads.
fn put(root: &mut Value, section: &Section) {
    let (above, name) = section.path.rsplit_once('.').unwrap_or(("", section.path));
    let mut place = &mut *root;
    for part in above.split('.').filter(|part| !part.is_empty()) {
        place = &mut place["properties"][part];
    }
    let table = table(section);
    let properties = &mut place["properties"];
    match section.number {
        Number::One => properties[name] = table,
        Number::List => {
            properties[name] = json!({
                "type": "array",
                "description": section.meaning,
                "items": table,
            });
        }
        Number::Named(named) => {
            properties[named] = json!({
                "type": "object",
                "description": format!("{} By names of your own.", section.meaning),
                "propertyNames": { "pattern": "^[A-Za-z0-9_-]{1,40}$" },
                "additionalProperties": table,
            });
            properties[name] = table;
        }
    }
}

fn table(section: &Section) -> Value {
    let mut table = object(section.meaning);
    let properties: Map<String, Value> = section
        .all_keys()
        .map(|key| (key.name.to_owned(), value(key)))
        .collect();
    table["properties"] = Value::Object(properties);
    let needed: Vec<&str> = section
        .all_keys()
        .filter(|key| key.is_needed)
        .map(|key| key.name)
        .collect();
    if !needed.is_empty() {
        table["required"] = needed.into();
    }
    table
}

fn value(key: &Key) -> Value {
    let mut value = match key.kind {
        Kind::Text => json!({ "type": "string" }),
        Kind::OneOf(texts) => json!({ "enum": texts }),
        Kind::Whole(low, high) => json!({ "type": "integer", "minimum": low, "maximum": high }),
        Kind::Boolean => json!({ "type": "boolean" }),
        Kind::Texts => json!({ "type": "array", "items": { "type": "string" } }),
        Kind::Switch => {
            let timing = SECTIONS
                .iter()
                .find(|section| section.path == "alerts.defaults");
            let mut rule = timing.map_or(Value::Null, table);
            rule["properties"]["enabled"] = json!({ "type": "boolean" });
            json!({ "anyOf": [{ "type": "boolean" }, rule] })
        }
    };
    value["description"] = key.meaning.into();
    value
}
