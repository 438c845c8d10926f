//! A graph as a picture: a layer a step, what it was made from on the left, what was made from it on the right. Every node
//! is a link, in the order in which it is read.

use std::collections::BTreeMap;
use std::fmt;

use askama::filters::{Escaper, Html, HtmlSafe};

use super::{Around, link_to};

/// Sizes in the picture's own units.
const WIDTH: i64 = 190;
const HEIGHT: i64 = 44;
const ACROSS: i64 = 250;
const DOWN: i64 = 60;
const MARGIN: i64 = 8;

/// Characters of a label that fit.
const LABEL: usize = 24;

/// A node in its place.
struct Placed {
    x: i64,
    y: i64,
    /// Whether it is the one that was asked for.
    chosen: bool,
    kind: &'static str,
    label: String,
    link: String,
}

/// The picture.
pub(crate) struct Picture {
    nodes: Vec<Placed>,
    edges: Vec<(usize, usize)>,
    width: i64,
    height: i64,
}

impl Picture {
    pub(super) fn of(around: &Around) -> Self {
        let mut layers: BTreeMap<i64, Vec<usize>> = BTreeMap::new();
        for (at, (_, steps)) in around.nodes.iter().enumerate() {
            layers.entry(*steps).or_default().push(at);
        }
        let mut place: Vec<(i64, i64)> = vec![(0, 0); around.nodes.len()];
        // From the chosen one outwards, each node near the middle of what it hangs on, so that edges cross less.
        let mut order: Vec<i64> = layers.keys().copied().collect();
        order.sort_by_key(|layer| (layer.abs(), *layer));
        let leftmost = layers.keys().next().copied().unwrap_or(0);
        for layer in order {
            let Some(nodes) = layers.get_mut(&layer) else { continue };
            let middle = |at: usize| {
                let near = around.edges.iter().filter_map(|(from, to)| match (*from == at, *to == at) {
                    (true, _) => Some(*to),
                    (_, true) => Some(*from),
                    _ => None,
                });
                let inner = near.filter(|other| around.nodes[*other].1.abs() < layer.abs());
                let (sum, count) = inner.fold((0, 0), |(sum, count), other| (sum + place[other].1, count + 1));
                if count == 0 { i64::MAX } else { sum / count }
            };
            let mut keyed: Vec<(i64, usize)> = nodes.iter().map(|at| (middle(*at), *at)).collect();
            keyed.sort_unstable();
            for (row, (_, at)) in keyed.iter().enumerate() {
                place[*at] = ((layer - leftmost) * ACROSS + MARGIN, row as i64 * DOWN + MARGIN);
            }
            *nodes = keyed.into_iter().map(|(_, at)| at).collect();
        }
        let rows = layers.values().map(Vec::len).max().unwrap_or(1) as i64;
        let span = layers.keys().next_back().copied().unwrap_or(0) - leftmost;
        let placed = |at: usize| {
            let (node, steps) = &around.nodes[at];
            let (x, y) = place[at];
            let (label, link) = (node.kind.label(), link_to(&node.id).to_string());
            Placed { x, y, chosen: *steps == 0, kind: node.kind.word(), label, link }
        };
        // In the order of reading: from left to right, from top to bottom.
        let order: Vec<usize> = layers.into_values().flatten().collect();
        let mut at_of = vec![0; order.len()];
        order.iter().enumerate().for_each(|(new, old)| at_of[*old] = new);
        let edges = around.edges.iter().map(|(from, to)| (at_of[*from], at_of[*to])).collect();
        let (width, height) = (span * ACROSS + WIDTH + 2 * MARGIN, (rows - 1) * DOWN + HEIGHT + 2 * MARGIN);
        Self { nodes: order.into_iter().map(placed).collect(), edges, width, height }
    }
}

impl HtmlSafe for Picture {}

impl fmt::Display for Picture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { width, height, nodes, edges } = self;
        write!(
            f,
            r#"<svg class="graph" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="group" aria-label="What was made from what: {} nodes, {} edges">"#,
            nodes.len(),
            edges.len()
        )?;
        for (from, to) in edges.iter().filter_map(|(from, to)| Some((nodes.get(*from)?, nodes.get(*to)?))) {
            let (x1, y1, x2, y2) = (from.x + WIDTH, from.y + HEIGHT / 2, to.x, to.y + HEIGHT / 2);
            // Those that go back, as in a circle, leave and come in at the same sides.
            let bend = ((x2 - x1) / 2).abs().clamp(24, 120);
            write!(f, r#"<path d="M{x1} {y1}C{} {y1} {} {y2} {x2} {y2}"/>"#, x1 + bend, x2 - bend)?;
        }
        for node in nodes {
            let Placed { x, y, kind, link, label, .. } = node;
            let current = if node.chosen { r#" aria-current="true""# } else { "" };
            write!(f, r#"<a href="{link}" class="node node-{kind}"{current}><title>{kind}: "#)?;
            Html.write_escaped_str(&mut *f, label)?;
            write!(f, r#"</title><rect x="{x}" y="{y}" width="{WIDTH}" height="{HEIGHT}" rx="5"/>"#)?;
            write!(
                f,
                r#"<text x="{}" y="{}" class="kind">{kind}</text><text x="{0}" y="{}">"#,
                x + 10,
                y + 16,
                y + 34
            )?;
            Html.write_escaped_str(&mut *f, &short(label))?;
            f.write_str("</text></a>")?;
        }
        f.write_str("</svg>")
    }
}

/// A label as long as fits; of a path, its end says most.
fn short(label: &str) -> String {
    let chars: Vec<char> = label.chars().collect();
    match chars.len() {
        all if all <= LABEL => label.to_owned(),
        all => format!("…{}", chars[all - (LABEL - 1)..].iter().collect::<String>()),
    }
}

#[cfg(test)]
mod tests {
    use engine::graph::{Node, NodeKind};

    use super::*;

    #[test]
    fn given_a_graph_when_drawn_then_layers_go_from_left_to_right_and_names_are_escaped() {
        let node = |name: &str, steps| {
            let kind = NodeKind::Dataset { namespace: "n".into(), name: name.into() };
            (Node { id: format!("dataset:n:{name}"), kind }, steps)
        };
        let nodes = vec![node("<mid>", 0), node("right", 1), node("left", -1), node("left2", -1)];
        let around = Around { nodes, edges: vec![(2, 0), (3, 0), (0, 1)], truncated: false };
        let svg = Picture::of(&around).to_string();
        let at = |text: &str| svg.find(text).unwrap_or_else(|| panic!("{text} in {svg}"));
        assert!(at(">left<") < at("&#60;mid&#62;") && at("&#60;mid&#62;") < at(">right<"), "{svg}");
        assert_eq!((svg.matches("<path").count(), svg.matches("aria-current").count()), (3, 1));
        assert!(!svg.contains("<mid>"), "{svg}");
        assert_eq!(short("a/long/path/to/some/table/of/loans").chars().count(), LABEL);
    }
}
