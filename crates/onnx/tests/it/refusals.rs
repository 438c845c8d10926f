//! What cannot be served is refused when the model is parsed, with a reason someone can act on. The models are
//! written here byte by byte, with prost messages of just the fields needed.

use onnx::Model;
use prost::Message;

#[derive(Clone, PartialEq, Message)]
struct File {
    #[prost(message, optional, tag = "7")]
    graph: Option<Graph>,
    #[prost(message, repeated, tag = "8")]
    sets: Vec<Set>,
}

#[derive(Clone, PartialEq, Message)]
struct Set {
    #[prost(string, tag = "1")]
    domain: String,
    #[prost(int64, tag = "2")]
    version: i64,
}

#[derive(Clone, PartialEq, Message)]
struct Graph {
    #[prost(message, repeated, tag = "1")]
    nodes: Vec<Node>,
    #[prost(message, repeated, tag = "5")]
    initializers: Vec<Initializer>,
    #[prost(message, repeated, tag = "12")]
    outputs: Vec<Value>,
}

#[derive(Clone, PartialEq, Message)]
struct Node {
    #[prost(string, repeated, tag = "1")]
    inputs: Vec<String>,
    #[prost(string, repeated, tag = "2")]
    outputs: Vec<String>,
    #[prost(string, tag = "4")]
    operator: String,
    #[prost(message, repeated, tag = "5")]
    attributes: Vec<Attribute>,
    #[prost(string, tag = "7")]
    domain: String,
}

#[derive(Clone, PartialEq, Message)]
struct Attribute {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(int64, tag = "3")]
    value: i64,
    #[prost(int32, tag = "20")]
    kind: i32,
}

#[derive(Clone, PartialEq, Message)]
struct Initializer {
    #[prost(int64, repeated, tag = "1")]
    shape: Vec<i64>,
    #[prost(int32, tag = "2")]
    datatype: i32,
    #[prost(float, repeated, tag = "4")]
    floats: Vec<f32>,
    #[prost(string, tag = "8")]
    name: String,
    #[prost(int32, tag = "14")]
    location: i32,
}

#[derive(Clone, PartialEq, Message)]
struct Value {
    #[prost(string, tag = "1")]
    name: String,
}

/// A file whose only input is the constant `x`.
fn file(nodes: Vec<Node>) -> File {
    let x = Initializer { shape: vec![2], datatype: 1, floats: vec![1.0, 2.0], name: "x".to_owned(), location: 0 };
    File {
        graph: Some(Graph { nodes, initializers: vec![x], outputs: vec![] }),
        sets: vec![Set { domain: String::new(), version: 18 }, Set { domain: "com.acme".to_owned(), version: 1 }],
    }
}

fn node(operator: &str, inputs: &[&str], output: &str) -> Node {
    Node {
        inputs: inputs.iter().map(|name| (*name).to_owned()).collect(),
        outputs: vec![output.to_owned()],
        operator: operator.to_owned(),
        attributes: vec![],
        domain: String::new(),
    }
}

#[track_caller]
fn refused(file: &File, reason: &str) {
    let refusal = Model::parse(&file.encode_to_vec()).err().expect("a refusal").to_string();
    assert!(refusal.starts_with(reason), "{refusal}");
}

#[test]
fn a_fitting_model_is_not_refused() {
    let model = Model::parse(&file(vec![node("Neg", &["x"], "y")]).encode_to_vec()).unwrap();
    assert_eq!(model.operators(), ["Neg"]);
}

#[test]
fn unknown_operators_are_named_with_those_that_are_known() {
    let foo = Node { domain: "com.acme".to_owned(), ..node("Foo", &["x"], "y") };
    refused(&file(vec![foo]), "operator `com.acme::Foo` is not supported; supported: Abs, Add, And, ");
    refused(&file(vec![node("Conv", &["x"], "y")]), "operator `Conv` is not supported; supported: ");
}

#[test]
fn operator_sets_too_new_or_too_old_are_named() {
    let mut newer = file(vec![]);
    newer.sets[0].version = 99;
    refused(&newer, "the model imports version 99 of operator set `ai.onnx`; supported: 1 to 25");
    let mut older = file(vec![node("Add", &["x", "x"], "y")]);
    older.sets[0].version = 6;
    refused(&older, "the model imports version 6 of operator set `ai.onnx`; supported: 7 and later for operator `Add`");
    older.sets.clear();
    refused(&older, "the file is not an ONNX model: it has no import of the operator set its nodes use");
}

#[test]
fn attributes_nobody_understands_refuse_the_model() {
    let mut odd = node("Neg", &["x"], "y");
    odd.attributes.push(Attribute { name: "twice".to_owned(), value: 1, kind: 2 });
    refused(&file(vec![odd]), "node `y` (Neg): attribute `twice` is not supported");
    refused(&file(vec![node("Concat", &["x"], "y")]), "node `y` (Concat): attribute `axis` is missing");
}

#[test]
fn graphs_that_do_not_hold_together_are_refused() {
    refused(&file(vec![node("Neg", &["z"], "y")]), "`z` is malformed: node `y` reads it, but no input");
    refused(&file(vec![node("Neg", &["x"], "x")]), "`x` is malformed: it is produced twice");
    refused(&file(vec![node("Neg", &["x", "x"], "y")]), "node `y` (Neg): it lists 2 inputs");
    refused(&File { graph: None, sets: vec![] }, "the file is not an ONNX model: it has no graph");
}

#[test]
fn values_outside_the_file_or_of_other_types_are_refused() {
    let with = |change: fn(&mut Initializer)| {
        let mut file = file(vec![]);
        change(&mut file.graph.as_mut().unwrap().initializers[0]);
        file
    };
    refused(&with(|x| x.location = 1), "values stored outside the file (external data) are not supported");
    refused(&with(|x| x.datatype = 10), "`x` has type FLOAT16; supported: ");
    refused(&with(|x| x.shape = vec![3]), "`x` is malformed: shape [3] holds 3 values, got 2");
    refused(&with(|x| x.shape = vec![-1]), "`x` is malformed: shape [-1] has a negative size");
    refused(&with(|x| x.shape = vec![i64::MAX, 2]), "`x` is malformed: shape [9223372036854775807, 2] is too large");
}

#[test]
fn trees_that_would_loop_are_refused() {
    let bytes = std::fs::read(crate::corpus::models().join("dt_bin_nozip.onnx")).unwrap();
    // The true branch of every node leads back to the root: the list begins after its name in the attribute.
    let name = b"nodes_truenodeids";
    let at = bytes.windows(name.len()).position(|window| window == name).unwrap() + name.len();
    let mut looping = bytes.clone();
    for pair in looping[at..].chunks_mut(2).take_while(|pair| pair[0] == 0x40) {
        pair[1] = 0;
    }
    assert_ne!(looping, bytes);
    let refusal = Model::parse(&looping).err().expect("a refusal").to_string();
    assert!(refusal.contains("leads to a node that another already leads to"), "{refusal}");
}
