//! The request: the chat-completions body, and the shape the answer must have.

use serde::ser::{Serialize, SerializeMap as _, Serializer};

use super::prompt::{MAX_COMPLETION_TOKENS, Prompt};

/// Low: the same case is to get the same answer, nearly.
const TEMPERATURE: f64 = 0.2;
/// Reasoning counts as completion tokens, and the facts are already put in order.
const REASONING_EFFORT: &str = "low";

/// The answer. The order is that in which a strict decoder writes it: facts before causes, causes before confidence.
/// Severity comes last: it is mostly the rules', which is null.
const ANSWER: SchemaShape = SchemaShape::Object(&[
    ("summary", SchemaShape::Text),
    ("evidence", IDS),
    ("probable_cause", SchemaShape::Text),
    (
        "hypotheses",
        SchemaShape::List(&SchemaShape::Object(&[("cause", SchemaShape::Text), ("evidence", IDS)])),
    ),
    ("confidence", SchemaShape::OneOf(&["low", "medium", "high"])),
    (
        "next_steps",
        SchemaShape::List(&SchemaShape::Object(&[
            ("why", SchemaShape::Text),
            ("command", SchemaShape::Text),
        ])),
    ),
    ("severity", SchemaShape::OneOfOrNull(&[Some("warning"), Some("critical"), None])),
]);
const IDS: SchemaShape = SchemaShape::List(&SchemaShape::Text);

/// The body of `POST /chat/completions`.
#[derive(serde::Serialize)]
pub(super) struct Request<'a> {
    model: &'a str,
    messages: [ChatMessage<'a>; 2],
    temperature: f64,
    max_completion_tokens: u32,
    response_format: ResponseFormat,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_effort: Option<&'static str>,
    #[serde(skip)]
    prompt_tokens: u32,
}

#[derive(serde::Serialize)]
struct ChatMessage<'a> {
    role: &'static str,
    content: &'a str,
}

impl<'a> Request<'a> {
    /// For this model: only gpt-oss decodes strictly by a schema and takes a reasoning effort; others, on Groq or
    /// elsewhere, refuse with 400 what they do not know.
    pub(super) fn new(model: &'a str, prompt: &'a Prompt) -> Self {
        let gpt_oss = model.contains("gpt-oss");
        let response_format = if gpt_oss {
            let json_schema = JsonSchema { name: "verdict", strict: true, schema: &ANSWER };
            ResponseFormat::JsonSchema { json_schema }
        } else {
            ResponseFormat::JsonObject
        };
        Self {
            model,
            messages: [
                ChatMessage { role: "system", content: prompt.system },
                ChatMessage { role: "user", content: &prompt.user },
            ],
            temperature: TEMPERATURE,
            max_completion_tokens: MAX_COMPLETION_TOKENS,
            response_format,
            reasoning_effort: gpt_oss.then_some(REASONING_EFFORT),
            prompt_tokens: u32::try_from(prompt.tokens()).unwrap_or(u32::MAX),
        }
    }

    /// What it costs before the answer, as it is estimated here.
    pub(super) const fn prompt_tokens(&self) -> u32 {
        self.prompt_tokens
    }
}

#[derive(serde::Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum ResponseFormat {
    JsonSchema { json_schema: JsonSchema },
    JsonObject,
}

#[derive(serde::Serialize)]
struct JsonSchema {
    name: &'static str,
    strict: bool,
    schema: &'static SchemaShape,
}

/// What strict decoding knows of JSON Schema, and this needs. Written in order, which a `serde_json::Value` is not.
enum SchemaShape {
    Text,
    OneOf(&'static [&'static str]),
    /// What is optional, in strict decoding: required, and may be null.
    OneOfOrNull(&'static [Option<&'static str>]),
    List(&'static Self),
    Object(&'static [(&'static str, Self)]),
}

impl Serialize for SchemaShape {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        match self {
            Self::Text => map.serialize_entry("type", "string")?,
            Self::OneOf(values) => {
                map.serialize_entry("type", "string")?;
                map.serialize_entry("enum", values)?;
            }
            Self::OneOfOrNull(values) => {
                map.serialize_entry("type", &["string", "null"])?;
                map.serialize_entry("enum", values)?;
            }
            Self::List(item) => {
                map.serialize_entry("type", "array")?;
                map.serialize_entry("items", item)?;
            }
            // Strict decoding wants every property required and no others.
            Self::Object(properties) => {
                let names: Vec<_> = properties.iter().map(|(name, _)| name).collect();
                map.serialize_entry("type", "object")?;
                map.serialize_entry("properties", &Properties(properties))?;
                map.serialize_entry("required", &names)?;
                map.serialize_entry("additionalProperties", &false)?;
            }
        }
        map.end()
    }
}

struct Properties(&'static [(&'static str, SchemaShape)]);

impl Serialize for Properties {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, shape)| (name, shape)))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use expect_test::expect;
    use serde_json::Value;

    use super::*;
    use crate::llm::prompt::SCHEMA_TOKENS;
    use crate::llm::tokens::tokens;

    fn body(model: &str) -> String {
        let prompt = Prompt { system: "SYSTEM", user: "CASE".into(), left_out: 0, masked: BTreeMap::new() };
        serde_json::to_string_pretty(&Request::new(model, &prompt)).unwrap()
    }

    #[test]
    fn gpt_oss_is_bound_to_the_schema() {
        expect![[r#"
            {
              "model": "openai/gpt-oss-120b",
              "messages": [
                {
                  "role": "system",
                  "content": "SYSTEM"
                },
                {
                  "role": "user",
                  "content": "CASE"
                }
              ],
              "temperature": 0.2,
              "max_completion_tokens": 2000,
              "response_format": {
                "type": "json_schema",
                "json_schema": {
                  "name": "verdict",
                  "strict": true,
                  "schema": {
                    "type": "object",
                    "properties": {
                      "summary": {
                        "type": "string"
                      },
                      "evidence": {
                        "type": "array",
                        "items": {
                          "type": "string"
                        }
                      },
                      "probable_cause": {
                        "type": "string"
                      },
                      "hypotheses": {
                        "type": "array",
                        "items": {
                          "type": "object",
                          "properties": {
                            "cause": {
                              "type": "string"
                            },
                            "evidence": {
                              "type": "array",
                              "items": {
                                "type": "string"
                              }
                            }
                          },
                          "required": [
                            "cause",
                            "evidence"
                          ],
                          "additionalProperties": false
                        }
                      },
                      "confidence": {
                        "type": "string",
                        "enum": [
                          "low",
                          "medium",
                          "high"
                        ]
                      },
                      "next_steps": {
                        "type": "array",
                        "items": {
                          "type": "object",
                          "properties": {
                            "why": {
                              "type": "string"
                            },
                            "command": {
                              "type": "string"
                            }
                          },
                          "required": [
                            "why",
                            "command"
                          ],
                          "additionalProperties": false
                        }
                      },
                      "severity": {
                        "type": [
                          "string",
                          "null"
                        ],
                        "enum": [
                          "warning",
                          "critical",
                          null
                        ]
                      }
                    },
                    "required": [
                      "summary",
                      "evidence",
                      "probable_cause",
                      "hypotheses",
                      "confidence",
                      "next_steps",
                      "severity"
                    ],
                    "additionalProperties": false
                  }
                }
              },
              "reasoning_effort": "low"
            }"#]]
        .assert_eq(&body("openai/gpt-oss-120b"));
        let schema = serde_json::to_value(ANSWER).unwrap();
        check_strict(&schema);
        let cost = tokens(&schema.to_string());
        assert!(cost <= SCHEMA_TOKENS, "{cost}");
    }

    /// What strict decoding demands of every object in a schema.
    fn check_strict(schema: &Value) {
        if let Some(properties) = schema["properties"].as_object() {
            assert_eq!(schema["additionalProperties"], false, "{schema}");
            let required: Vec<_> =
                schema["required"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
            assert_eq!(required.len(), properties.len(), "{schema}");
            assert!(properties.keys().all(|name| required.contains(&name.as_str())), "{schema}");
            properties.values().for_each(check_strict);
        }
        if !schema["items"].is_null() {
            check_strict(&schema["items"]);
        }
    }

    #[test]
    fn other_models_are_asked_for_json() {
        expect![[r#"
            {
              "model": "llama3.2:3b",
              "messages": [
                {
                  "role": "system",
                  "content": "SYSTEM"
                },
                {
                  "role": "user",
                  "content": "CASE"
                }
              ],
              "temperature": 0.2,
              "max_completion_tokens": 2000,
              "response_format": {
                "type": "json_object"
              }
            }"#]]
        .assert_eq(&body("llama3.2:3b"));
    }
}
