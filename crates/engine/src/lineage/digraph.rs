//! Numbers and arrows between them: what can be reached, in the time it takes to walk there once.

/// Which way to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// To what was made from it.
    Down,
    /// To what it was made from.
    Up,
}

/// A directed graph of numbered nodes. Edges are kept as they come, and put in order by node when somebody asks.
#[derive(Debug, Default)]
pub struct Digraph {
    nodes: u32,
    edges: Vec<(u32, u32)>,
    /// How many of the edges are in order, and the order each way.
    sorted: Option<(usize, Csr, Csr)>,
}

/// Neighbours of each node, one after the other, and where those of a node begin.
#[derive(Debug)]
struct Csr {
    starts: Vec<u32>,
    targets: Vec<u32>,
}

impl Csr {
    fn of(nodes: u32, edges: impl Iterator<Item = (u32, u32)> + Clone) -> Self {
        let mut starts = vec![0_u32; nodes as usize + 1];
        edges.clone().for_each(|(from, _)| starts[from as usize + 1] += 1);
        for at in 1..starts.len() {
            starts[at] += starts[at - 1];
        }
        let mut next = starts.clone();
        let mut targets = vec![0; starts.last().copied().unwrap_or(0) as usize];
        for (from, to) in edges {
            targets[next[from as usize] as usize] = to;
            next[from as usize] += 1;
        }
        Self { starts, targets }
    }

    fn of_node(&self, node: u32) -> &[u32] {
        &self.targets[self.starts[node as usize] as usize..self.starts[node as usize + 1] as usize]
    }
}

impl Digraph {
    /// One more node; returns its number.
    pub fn node(&mut self) -> u32 {
        self.nodes += 1;
        self.sorted = None;
        self.nodes - 1
    }

    /// One more edge, between nodes that there are.
    pub fn edge(&mut self, from: u32, to: u32) {
        assert!(from < self.nodes && to < self.nodes, "edges are between nodes");
        self.edges.push((from, to));
    }

    /// How many edges there are.
    pub fn edges(&self) -> usize {
        self.edges.len()
    }

    fn sort(&mut self) {
        if self.sorted.as_ref().is_some_and(|(edges, _, _)| *edges == self.edges.len()) {
            return;
        }
        let down = Csr::of(self.nodes, self.edges.iter().copied());
        let up = Csr::of(self.nodes, self.edges.iter().map(|(from, to)| (*to, *from)));
        self.sorted = Some((self.edges.len(), down, up));
    }

    /// The nodes next to one.
    pub fn next(&mut self, node: u32, direction: Direction) -> &[u32] {
        self.sort();
        let (_, down, up) = self.sorted.as_ref().expect("just put in order");
        match direction {
            Direction::Down => down.of_node(node),
            Direction::Up => up.of_node(node),
        }
    }

    /// What can be reached from `starts` within `depth` steps, they included, nearest first, each with its distance. Steps
    /// into nodes that `free` names cost nothing. At most `most` nodes; the flag says whether that cut something off.
    pub fn reach(
        &mut self,
        starts: &[u32],
        direction: Direction,
        (depth, most): (u32, usize),
        free: impl Fn(u32) -> bool,
    ) -> (Vec<(u32, u32)>, bool) {
        self.sort();
        let (_, down, up) = self.sorted.as_ref().expect("just put in order");
        let csr = if direction == Direction::Down { down } else { up };
        let mut distance = vec![u32::MAX; self.nodes as usize];
        let (mut found, mut layer) = (Vec::new(), Vec::new());
        for start in starts {
            if std::mem::replace(&mut distance[*start as usize], 0) != 0 {
                layer.push(*start);
            }
        }
        for steps in 0..=depth {
            let mut next = Vec::new();
            // Free steps lengthen the layer while it is walked.
            let mut at = 0;
            while at < layer.len() {
                let node = layer[at];
                at += 1;
                // It was found nearer by a free step.
                if distance[node as usize] != steps {
                    continue;
                }
                if found.len() == most {
                    return (found, true);
                }
                found.push((node, steps));
                for to in csr.of_node(node).iter().copied() {
                    let cost = if free(to) { steps } else { steps + 1 };
                    if distance[to as usize] > cost {
                        distance[to as usize] = cost;
                        if cost == steps { layer.push(to) } else { next.push(to) }
                    }
                }
            }
            if next.is_empty() {
                return (found, false);
            }
            layer = next;
        }
        (found, false)
    }
}
