//! Contracts of the standard: as it writes them, and what is not read.

use domain::data::Contract;

use super::*;

/// As the standard's own examples write them.
const FILE: &str = r#"# What is promised of payments
apiVersion: v3.1.0
kind: DataContract
id: 53581432-6c55
version: 1.1.0
status: active
description:
  purpose: Views of payments # told
servers:
  - server: my-postgres
    type: postgres
schema:
  - name: tbl
    physicalName: payments
    physicalType: table
    tags: [ 'finance', 'payments' ]
    relationships:
      - type: foreignKey
        from:
          - tbl.rcvr_id
          - tbl.country
        to:
          - receivers.id
          - receivers.country_code
    properties:
      - name: at
        physicalName: txn_at
        logicalType: timestamp
        required: true
        logicalTypeOptions:
          minimum: "2020-01-01T00:00:00Z"
          format: "yyyy-MM-ddTHH:mm:ssZ"
      - name: rcvr_id
        primaryKey: true
        primaryKeyPosition: 2
        logicalType: string
        physicalType: varchar(18)
        logicalTypeOptions: {maxLength: 18, pattern: '^[a-z]+$'}
      - name: country
        primaryKey: true
        primaryKeyPosition: 1
        logicalType: string
        classification: public
        quality:
          - metric: nullValues
            mustBe: 0
            dimension: completeness
            severity: error
            schedule: 0 20 * * *
            scheduler: cron
          - metric: invalidValues
            arguments:
              validValues: ['AU', "NZ"]
            mustBeLessThan: 1
            unit: percent
          - type: text
            description: It is a country.
      - name: amount
        physicalType: DECIMAL(10,2)
        logicalTypeOptions:
          exclusiveMinimum: 0
          maximum: 10.5
          multipleOf: 0.5
        quality:
          - metric: missingValues
            arguments:
              missingValues: [null, '', 'N/A', -999]
            mustBeLessThan: 100
            unit: rows
      - name: parts
        logicalType: array
        items:
          logicalType: string
    quality:
      - metric: rowCount
        mustBeBetween: [100, 120]
        severity: warning
      - metric: duplicateValues
        mustBe: 0
        arguments:
          properties:
            - at
            - country
      - type: sql
        query: |
          SELECT COUNT(*) FROM {object} WHERE {property} IS NOT NULL
        mustBeLessThan: 3600
      - type: custom
        engine: soda
        implementation: |
          type: duplicate_percent
  - name: receivers
    properties:
      - name: id
        logicalType: string
slaDefaultElement: tbl.at
slaProperties:
  - property: latency
    value: 4
    unit: d
  - property: retention
    value: 3
    unit: y
    element: tbl.at
"#;

#[test]
fn given_a_contract_of_the_standard_when_imported_then_it_says_the_same_and_the_rest_is_listed() {
    assert!(import(FILE, None, None).expect_err("two objects").contains("tbl, receivers"));
    let imported = import(FILE, None, Some("tbl")).expect("a contract");
    let contract = Contract::parse(&imported.text).expect("it reads");
    assert_eq!(contract.dataset, "payments");
    let checks: Vec<String> = contract.checks().into_iter().map(|check| check.name).collect();
    for name in [
        "txn_at.type",
        "txn_at.required",
        "txn_at.range",
        "rcvr_id.pattern",
        "country.required",
        "amount.range",
        "key.country+rcvr_id",
        "key.txn_at+country",
        "freshness",
        "reference-6",
    ] {
        assert!(checks.iter().any(|check| check == name), "{name} in {checks:?}\n{}", imported.text);
    }
    for part in [
        "row = \"char_length(\\\"rcvr_id\\\") <= 18\"",
        "row = \"\\\"country\\\" IN ('AU', 'NZ')\"\ndimension = \"validity\"\ntolerance = { share = 0.009999 }",
        "row = \"\\\"amount\\\" > 0\"",
        "row = \"\\\"amount\\\" IS NOT NULL\"\ndimension = \"completeness\"\ntolerance = { rows = 99 }",
        "missing = [\"N/A\",-999]",
        "set = \"count(*) > 100 AND count(*) < 120\"\ndimension = \"completeness\"\nseverity = \"warning\"",
        "max_age = \"4d\"",
    ] {
        assert!(imported.text.contains(part), "{part} in\n{}", imported.text);
    }
    let listed = imported.left_out.join("\n");
    for part in [
        "schema.tbl.at.logicalTypeOptions.format: ",
        "schema.tbl.country.quality 3: a sentence that nothing can evaluate: `It is a country.`",
        "schema.tbl.amount.logicalTypeOptions.multipleOf: ",
        "schema.tbl.parts: a contract has no type `array`",
        "schema.tbl.parts.items: ",
        "schema.tbl.quality 3: a contract has expressions and no questions",
        "schema.tbl.quality 4: it is for the engine `soda`",
        "schema.receivers: another object",
        "slaProperties.retention (2): ",
        "reference-6 is to a data set `receivers`",
        "not taken: classification, description, schedule, scheduler, servers, slaDefaultElement, tags",
    ] {
        assert!(listed.contains(part), "{part} in\n{listed}");
    }
}

#[test]
fn given_json_or_another_version_when_imported_then_the_first_is_read_and_the_second_refused() {
    let json = r#"{"apiVersion": "v3.0.2", "kind": "DataContract", "schema": [{"name": "loans", "properties": [
            {"name": "id", "logicalType": "integer", "required": true, "unique": true,
             "quality": [{"rule": "validValues", "validValues": [1, 2], "mustBe": 0}]}]}]}"#;
    let imported = import(json, Some("credits"), None).expect("a contract");
    let contract = Contract::parse(&imported.text).expect("it reads");
    assert_eq!((contract.dataset.as_str(), contract.checks().len()), ("credits", 5));
    for (text, why) in [
        ("apiVersion: v2.2.2\nkind: DataContract\n", "v3.0 or v3.1"),
        ("apiVersion: v3.1.0\nkind: DataProduct\n", "v3.0 or v3.1"),
        ("apiVersion: v3.1.0\nkind: DataContract\nschema: &all []\n", "line 3: anchors"),
        ("{", "no JSON"),
        ("apiVersion: v3.1.0\nkind: DataContract\nschema:\n- name: a\n", "it names no columns"),
    ] {
        let error = import(text, None, None).expect_err(text);
        assert!(error.contains(why), "{error}");
    }
}

#[test]
fn given_words_for_true_and_properties_of_one_name_when_imported_then_they_are_read_and_the_rest_is_listed() {
    let text = "apiVersion: v3.1.0
kind: DataContract
schema:
- name: loans
  properties:
  - {name: id, logicalType: integer, required: yes, primaryKey: ON, unique: 'true'}
  - {name: kind, logicalType: string, required: Off, unique: maybe, primaryKey: 1}
  - {name: id, logicalType: string}
";
    let imported = import(text, None, None).expect("a contract");
    assert!(imported.text.contains("keys = [[\"id\"]]"), "{}", imported.text);
    assert_eq!(imported.text.matches("required = true").count(), 1, "{}", imported.text);
    assert_eq!(imported.text.matches("unique = true").count(), 1, "{}", imported.text);
    assert_eq!(imported.text.matches("name = \"id\"").count(), 1, "{}", imported.text);
    let listed = imported.left_out.join("\n");
    for part in
        ["schema.loans.kind.unique: ", "schema.loans.kind.primaryKey: ", "schema.loans.id: a property before it"]
    {
        assert!(listed.contains(part), "{part} in\n{listed}");
    }
    assert!(!listed.contains("required"), "{listed}");
}
