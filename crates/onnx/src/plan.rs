//! A graph compiled once: nodes become steps that read and write numbered slots, in the order the file lists them
//! (ONNX requires that to be a topological order; a file that breaks the rule is refused).

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::attributes::Attributes;
use crate::budget::Budget;
use crate::error::{Problem, Refusal, RunError};
use crate::limits::GRAPH_DEPTH;
use crate::ops::{self, Args, Kernel};
use crate::proto::{GraphProto, NodeProto};
use crate::tensor::Tensor;

/// What compiling a node needs to know of the file around it.
#[derive(Clone)]
pub(crate) struct Context {
    /// Version of each imported operator set; the default domain is the empty string.
    pub opsets: BTreeMap<String, i64>,
    depth: usize,
}

impl Context {
    pub fn new(opsets: BTreeMap<String, i64>) -> Self {
        Self { opsets, depth: 0 }
    }

    pub fn nested(&self) -> Result<Self, Problem> {
        if self.depth >= GRAPH_DEPTH {
            return Err(Problem::new(format!("graphs nest deeper than {GRAPH_DEPTH} levels")));
        }
        Ok(Self { opsets: self.opsets.clone(), depth: self.depth + 1 })
    }
}

pub(crate) struct Plan {
    slots: usize,
    inputs: Vec<usize>,
    constants: Vec<(usize, Tensor)>,
    steps: Vec<Step>,
    outputs: Vec<usize>,
    operators: Vec<String>,
}

struct Step {
    node: String,
    operator: String,
    inputs: Vec<Option<usize>>,
    outputs: Vec<Option<usize>>,
    kernel: Kernel,
}

/// Names to slots while compiling. Every name is produced once (static single assignment, `docs/IR.md`).
#[derive(Default)]
struct Slots(BTreeMap<String, usize>);

impl Slots {
    fn define(&mut self, name: &str) -> Result<usize, Refusal> {
        let slot = self.0.len();
        match self.0.insert(name.to_owned(), slot) {
            None => Ok(slot),
            Some(_) => Err(Refusal::Value { value: name.to_owned(), problem: "it is produced twice".to_owned() }),
        }
    }

    fn find(&self, name: &str, wanted_by: &str) -> Result<usize, Refusal> {
        self.0.get(name).copied().ok_or_else(|| Refusal::Value {
            value: name.to_owned(),
            problem: format!(
                "{wanted_by} reads it, but no input, initializer or earlier node of the graph produces it"
            ),
        })
    }
}

impl Plan {
    /// Compiles `graph`. Its inputs are those that no initializer gives a value, in the file's order.
    pub fn compile(graph: GraphProto, context: &Context) -> Result<Self, Refusal> {
        if !graph.sparse_initializer.is_empty() {
            return Err(Refusal::Feature("sparse initializers"));
        }
        let mut slots = Slots::default();
        let mut constants = Vec::with_capacity(graph.initializer.len());
        for initializer in &graph.initializer {
            constants.push((slots.define(&initializer.name)?, initializer.to_tensor()?));
        }
        let initialized = slots.0.clone();
        let free = graph.input.iter().filter(|input| !initialized.contains_key(&input.name));
        let inputs = free.map(|input| slots.define(&input.name)).collect::<Result<_, _>>()?;
        let mut operators = Vec::new();
        let mut steps = Vec::with_capacity(graph.node.len());
        for node in graph.node {
            let name = ops::qualified(&node.domain, &node.op_type);
            if !operators.contains(&name) {
                operators.push(name);
            }
            steps.push(Step::compile(node, context, &mut slots)?);
        }
        operators.sort();
        let outputs = graph.output.iter().map(|output| slots.find(&output.name, "the graph's output list"));
        let outputs = outputs.collect::<Result<_, _>>()?;
        Ok(Self { slots: slots.0.len(), inputs, constants, steps, outputs, operators })
    }

    /// The operators of the graph itself, each once, sorted.
    pub fn operators(&self) -> &[String] {
        &self.operators
    }

    pub fn inputs(&self) -> usize {
        self.inputs.len()
    }

    pub fn outputs(&self) -> usize {
        self.outputs.len()
    }

    /// Runs the steps. `inputs` are as many as [`Plan::inputs`], in the same order.
    pub fn run(&self, inputs: &[&Tensor], budget: &Budget) -> Result<Vec<Tensor>, RunError> {
        let mut values: Vec<Option<Cow<'_, Tensor>>> = vec![None; self.slots];
        let given = self.inputs.iter().copied().zip(inputs.iter().copied());
        for (slot, tensor) in self.constants.iter().map(|(slot, tensor)| (*slot, tensor)).chain(given) {
            if let Some(value) = values.get_mut(slot) {
                *value = Some(Cow::Borrowed(tensor));
            }
        }
        for step in &self.steps {
            step.run(&mut values, budget)?;
        }
        Ok(self.outputs.iter().filter_map(|&slot| values.get(slot).cloned().flatten()).map(Cow::into_owned).collect())
    }
}

impl Step {
    fn compile(mut proto: NodeProto, context: &Context, slots: &mut Slots) -> Result<Self, Refusal> {
        let (operator, opset) = ops::find(&proto.domain, &proto.op_type, context)?;
        let node =
            if proto.name.is_empty() { proto.output.first().cloned().unwrap_or_default() } else { proto.name.clone() };
        let name = ops::qualified(&proto.domain, &proto.op_type);
        let read = |input: &String| match input.as_str() {
            "" => Ok(None),
            input => slots.find(input, &format!("node `{node}`")).map(Some),
        };
        let inputs = proto.input.iter().map(read).collect::<Result<_, _>>()?;
        let write = |output: &String| match output.as_str() {
            "" => Ok(None),
            output => slots.define(output).map(Some),
        };
        let outputs = proto.output.iter().map(write).collect::<Result<_, _>>()?;
        let built = Attributes::new(&mut proto, context, opset).and_then(|mut attributes| {
            operator.accepts(&attributes)?;
            let kernel = (operator.build)(&mut attributes)?;
            attributes.finish()?;
            Ok(kernel)
        });
        match built {
            Ok(kernel) => Ok(Self { node, operator: name, inputs, outputs, kernel }),
            Err(Problem(problem)) => Err(Refusal::Node { node, operator: name, problem }),
        }
    }

    fn run(&self, values: &mut [Option<Cow<'_, Tensor>>], budget: &Budget) -> Result<(), RunError> {
        let failed = |problem: Problem| RunError::Node {
            node: self.node.clone(),
            operator: self.operator.clone(),
            problem: problem.0,
        };
        // A step costs something even when its tensors are empty.
        budget.spend(64).map_err(failed)?;
        let inputs: Vec<Option<&Tensor>> = self.inputs.iter().map(|slot| values.get((*slot)?)?.as_deref()).collect();
        let results = (self.kernel)(&Args::new(&inputs, budget)).map_err(failed)?;
        for (slot, result) in self.outputs.iter().zip(results) {
            if let Some(value) = slot.and_then(|slot| values.get_mut(slot)) {
                *value = Some(Cow::Owned(result));
            }
        }
        Ok(())
    }
}
