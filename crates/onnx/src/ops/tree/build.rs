//! From the parallel lists of the attributes to flat trees, with every reference checked: a child exists in its own
//! tree and has one parent, so that no walk can loop.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use super::{Ensemble, Node, Test};
use crate::attributes::{Attributes, choose, required};
use crate::error::Problem;
use crate::tensor::{Tensor, TensorData};

/// What a node does, in the words of `nodes_modes`; `None` for a leaf.
const MODES: [(&str, Option<Test>); 7] = [
    ("BRANCH_LEQ", Some(Test::LessOrEqual)),
    ("BRANCH_LT", Some(Test::Less)),
    ("BRANCH_GTE", Some(Test::GreaterOrEqual)),
    ("BRANCH_GT", Some(Test::Greater)),
    ("BRANCH_EQ", Some(Test::Equal)),
    ("BRANCH_NEQ", Some(Test::NotEqual)),
    ("LEAF", None),
];

/// A node's own number in the file: tree, then node.
type Id = (i64, i64);

/// Builds the ensemble. `what` is the prefix of the leaf attributes: `class` or `target`.
pub(super) fn ensemble(attributes: &mut Attributes<'_>, what: &str, targets: usize) -> Result<Ensemble, Problem> {
    let (weights, wide_weights) = floats(attributes, &format!("{what}_weights"))?;
    let (thresholds, wide_thresholds) = floats(attributes, "nodes_values")?;
    let (base, wide_base) = floats(attributes, "base_values")?;
    attributes.disregard(&["nodes_hitrates", "nodes_hitrates_as_tensor"]);
    let leaves = leaf_weights(attributes, what, weights, targets)?;
    let table = Table::take(attributes, thresholds)?;
    let places = table.places()?;
    let mut ensemble = Ensemble {
        nodes: Vec::with_capacity(table.ids.len()),
        weights: Vec::new(),
        roots: Vec::new(),
        steps_per_row: 0,
        columns: 0,
        targets,
        base: base_values(base, targets, what)?,
        wide: wide_weights || wide_thresholds || wide_base,
    };
    let mut has_parent = vec![false; table.ids.len()];
    for (at, &id) in table.ids.iter().enumerate() {
        let node = table.node(at, id, &places, &mut has_parent)?;
        ensemble.nodes.push(node.unwrap_or_else(|| {
            let first = ensemble.weights.len();
            ensemble.weights.extend(leaves.get(&id).into_iter().flatten());
            Node::Leaf { first, end: ensemble.weights.len() }
        }));
    }
    ensemble.columns = table
        .features
        .iter()
        .zip(&ensemble.nodes)
        .filter(|(_, node)| matches!(node, Node::Branch { .. }))
        .map(|(&feature, _)| feature as usize + 1)
        .max()
        .unwrap_or(0);
    ensemble.roots = roots(&table.ids, &has_parent)?;
    ensemble.steps_per_row = ensemble.roots.iter().map(|&root| depth(&ensemble.nodes, root)).sum();
    Ok(ensemble)
}

/// A list of floats, given as such or as a tensor (from operator set 3 on), and whether it has 64 bits.
fn floats(attributes: &mut Attributes<'_>, name: &str) -> Result<(Vec<f64>, bool), Problem> {
    match attributes.tensor(&format!("{name}_as_tensor"))?.map(Tensor::into_parts) {
        None => {
            let values = attributes.floats(name)?.unwrap_or_default();
            Ok((values.into_iter().map(f64::from).collect(), false))
        }
        Some((_, TensorData::F32(values))) => Ok((values.into_iter().map(f64::from).collect(), false)),
        Some((_, TensorData::F64(values))) => Ok((values, true)),
        Some((_, other)) => {
            Err(Problem::new(format!("attribute `{name}_as_tensor` must be FP32 or FP64, got {}", other.datatype())))
        }
    }
}

/// A regressor needs one base value per target; a classifier of two classes may have one for both.
fn base_values(base: Vec<f64>, targets: usize, what: &str) -> Result<Vec<f64>, Problem> {
    let fits = base.is_empty() || base.len() == targets || (what == "class" && targets == 2 && base.len() == 1);
    if fits { Ok(base) } else { Err(Problem::new(format!("it has {} base values for {targets} targets", base.len()))) }
}

/// What each leaf adds, by its id.
fn leaf_weights(
    attributes: &mut Attributes<'_>,
    what: &str,
    weights: Vec<f64>,
    targets: usize,
) -> Result<BTreeMap<Id, Vec<(usize, f64)>>, Problem> {
    let mut list = |suffix: &str| -> Result<Vec<i64>, Problem> {
        let name = format!("{what}_{suffix}");
        same_length(&name, required(&name, attributes.ints(&name)?)?, weights.len())
    };
    let (trees, nodes, ids) = (list("treeids")?, list("nodeids")?, list("ids")?);
    let mut leaves: BTreeMap<Id, Vec<(usize, f64)>> = BTreeMap::new();
    for (((tree, node), target), weight) in trees.into_iter().zip(nodes).zip(ids).zip(weights) {
        let target = usize::try_from(target).ok().filter(|&target| target < targets);
        let target = target
            .ok_or_else(|| Problem::new(format!("a leaf of tree {tree} adds to a {what} that does not exist")))?;
        leaves.entry((tree, node)).or_default().push((target, weight));
    }
    Ok(leaves)
}

fn same_length<T>(name: &str, values: Vec<T>, length: usize) -> Result<Vec<T>, Problem> {
    if values.len() == length {
        return Ok(values);
    }
    Err(Problem::new(format!("attribute `{name}` has {} entries, the lists beside it have {length}", values.len())))
}

/// The parallel lists that describe nodes.
struct Table {
    ids: Vec<Id>,
    modes: Vec<Option<Test>>,
    features: Vec<i64>,
    thresholds: Vec<f64>,
    yes: Vec<i64>,
    no: Vec<i64>,
    missing: Vec<i64>,
}

impl Table {
    fn take(attributes: &mut Attributes<'_>, thresholds: Vec<f64>) -> Result<Self, Problem> {
        let modes = required("nodes_modes", attributes.texts("nodes_modes")?)?;
        let modes = modes.iter().map(|mode| choose("nodes_modes", mode, &MODES)).collect::<Result<Vec<_>, _>>()?;
        let count = modes.len();
        let mut list = |name: &str| same_length(name, required(name, attributes.ints(name)?)?, count);
        let ids = list("nodes_treeids")?.into_iter().zip(list("nodes_nodeids")?).collect();
        let (features, yes, no) = (list("nodes_featureids")?, list("nodes_truenodeids")?, list("nodes_falsenodeids")?);
        let missing = attributes.ints("nodes_missing_value_tracks_true")?.filter(|missing| !missing.is_empty());
        Ok(Self {
            ids,
            modes,
            features,
            thresholds: same_length("nodes_values", thresholds, count)?,
            yes,
            no,
            missing: same_length("nodes_missing_value_tracks_true", missing.unwrap_or_else(|| vec![0; count]), count)?,
        })
    }

    fn places(&self) -> Result<BTreeMap<Id, usize>, Problem> {
        let mut places = BTreeMap::new();
        for (at, &(tree, node)) in self.ids.iter().enumerate() {
            let Entry::Vacant(free) = places.entry((tree, node)) else {
                return Err(Problem::new(format!("node {node} of tree {tree} is there twice")));
            };
            free.insert(at);
        }
        Ok(places)
    }

    /// The branch at `at`, or `None` for a leaf. Marks its children as having a parent.
    fn node(
        &self,
        at: usize,
        (tree, node): Id,
        places: &BTreeMap<Id, usize>,
        has_parent: &mut [bool],
    ) -> Result<Option<Node>, Problem> {
        let malformed = |what: &str| Problem::new(format!("node {node} of tree {tree} {what}"));
        let cell = |list: &[i64]| list.get(at).copied().unwrap_or_default();
        let Some(test) = self.modes.get(at).copied().flatten() else { return Ok(None) };
        let mut child = |list: &[i64]| {
            let place = places
                .get(&(tree, cell(list)))
                .copied()
                .ok_or_else(|| malformed("leads to a node that does not exist"))?;
            match has_parent.get_mut(place) {
                Some(taken) if !*taken => *taken = true,
                _ => return Err(malformed("leads to a node that another already leads to")),
            }
            Ok(place)
        };
        let (yes, no) = (child(&self.yes)?, child(&self.no)?);
        let feature = u32::try_from(cell(&self.features)).map_err(|_| malformed("reads a feature out of range"))?;
        let threshold = self.thresholds.get(at).copied().unwrap_or_default();
        let missing_is_true = cell(&self.missing) != 0;
        Ok(Some(Node::Branch { feature: feature as usize, threshold, test, missing_is_true, yes, no }))
    }
}

/// The one node of each tree that has no parent, in the order trees first appear.
fn roots(ids: &[Id], has_parent: &[bool]) -> Result<Vec<usize>, Problem> {
    let mut seen: BTreeMap<i64, Option<usize>> = BTreeMap::new();
    let mut order = Vec::new();
    for (at, (&(tree, _), &child)) in ids.iter().zip(has_parent).enumerate() {
        let root = seen.entry(tree).or_insert_with(|| {
            order.push(tree);
            None
        });
        match (child, &root) {
            (true, _) => {}
            (false, None) => *root = Some(at),
            (false, Some(_)) => return Err(Problem::new(format!("tree {tree} has more than one root"))),
        }
    }
    order
        .iter()
        .map(|tree| seen.get(tree).copied().flatten().ok_or_else(|| Problem::new(format!("tree {tree} has no root"))))
        .collect()
}

/// The longest way from `root` to a leaf, counted in nodes.
fn depth(nodes: &[Node], root: usize) -> u64 {
    let mut deepest = 0;
    let mut open = vec![(root, 1u64)];
    while let Some((at, depth)) = open.pop() {
        deepest = deepest.max(depth);
        if let Some(Node::Branch { yes, no, .. }) = nodes.get(at) {
            open.extend([(*yes, depth + 1), (*no, depth + 1)]);
        }
    }
    deepest
}
