//! skops: a tree of nodes in JSON, each with the type that is made and the loader that makes it.

use super::json::Json;
use super::pickle::{may_name, rule_of};
use super::{Scan, rules, shown};

/// Loaders that make an object of the type that the node names, or data.
const LOADERS: [&str; 26] = [
    "ObjectNode",
    "DictNode",
    "DefaultDictNode",
    "ListNode",
    "SetNode",
    "TupleNode",
    "FunctionNode",
    "PartialNode",
    "TypeNode",
    "SliceNode",
    "JsonNode",
    "BytesNode",
    "BytearrayNode",
    "NdArrayNode",
    "MaskedArrayNode",
    "RandomStateNode",
    "RandomGeneratorNode",
    "DTypeNode",
    "DtypeNode",
    "SparseMatrixNode",
    "TreeNode",
    "LossNode",
    "SGDNode",
    "CachedNode",
    "_DictWithDeprecatedKeysNode",
    "QuantileForestNode",
];

pub(crate) fn judge(scan: &mut Scan, path: &str, tree: &Json) {
    tree.objects(&mut |node| {
        let all = |wanted: &str| {
            node.entries().iter().filter(|(name, _)| name == wanted).map(|(_, value)| value).collect::<Vec<_>>()
        };
        let (loaders, modules, classes) = (all("__loader__"), all("__module__"), all("__class__"));
        if loaders.is_empty() && modules.is_empty() && classes.is_empty() {
            return;
        }
        if loaders.len() > 1 || modules.len() > 1 || classes.len() > 1 {
            scan.found(&rules::SKOPS_NODE, path, None, "a node says twice what it is");
        }
        for loader in loaders {
            match loader.text() {
                Some(loader) if LOADERS.contains(&loader) => {}
                Some(loader) => {
                    let reason =
                        format!("a node is made by `{}`, which fetches attributes or is unknown", shown(loader));
                    scan.found(&rules::SKOPS_NODE, path, None, reason);
                }
                None => scan.found(&rules::SKOPS_NODE, path, None, "a node's loader is no text"),
            }
        }
        for module in &modules {
            for class in &classes {
                match (module.text(), class.text()) {
                    (Some(module), Some(class)) if may_name(module, class) => {}
                    (Some(module), Some(class)) => {
                        scan.found(
                            rule_of(module, class),
                            path,
                            None,
                            format!("it names `{}.{}`", shown(module), shown(class)),
                        );
                    }
                    // The module of what has none.
                    _ => scan.found(&rules::SKOPS_NODE, path, None, "a node's type is no text"),
                }
            }
        }
    });
}
