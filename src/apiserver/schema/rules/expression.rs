//! Compiles and runs expressions, whatever is wrong with them.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;

use kube_cel::KubeCelExt as _;
use kube_cel::cel::common::ast::{EntryExpr, Expr, IdedExpr};
use kube_cel::cel::objects::ValueType;
use kube_cel::cel::{Context, ExecutionError, Program, Value as Cel};

/// How much stack the parser may need, in bytes: it recurses a dozen times for each parenthesis.
const PARSER_STACK: usize = 64 * 1024 * 1024;

/// How deep an expression may be nested after parsing. Running it recurses as deep.
const MAX_DEPTH: usize = 32;

/// The names of types, as expressions compare them.
const TYPES: &[&str] = &["int", "uint", "double", "bool", "string", "bytes", "list", "map", "null_type", "timestamp", "duration"];

/// What else expressions may name: the value, and groups of functions.
const NAMES: &[&str] = &[
    "self",
    "oldSelf",
    "sets",
    "math",
    "optional",
    "base64",
    "format",
    "strings",
    "jsonpatch",
    "ip",
    "cidr",
    "url",
    "quantity",
    "semver",
    "cel",
];

thread_local! {
    static FUNCTIONS: Context<'static> = functions();
}

fn functions() -> Context<'static> {
    let mut context = Context::default().with_all();
    for name in TYPES {
        context.add_variable_from_value(*name, Cel::String(Arc::new((*name).to_owned())));
    }
    context.add_function("type", |value: Cel| {
        let name = match value.type_of() {
            ValueType::Float => "double".to_owned(),
            ValueType::Null => "null_type".to_owned(),
            other => other.to_string(),
        };
        Ok::<Cel, ExecutionError>(Cel::String(Arc::new(name)))
    });
    context
}

/// A compiled expression.
#[derive(Debug)]
pub(in super::super) struct Expression {
    program: Program,
    /// Whether it is about changes.
    pub uses_old_self: bool,
}

impl Expression {
    /// Compiles an expression.
    ///
    /// # Errors
    /// Why it does not parse, or which of its names nothing is known of.
    pub fn new(text: &str) -> Result<Self, String> {
        let compiled = thread::scope(|scope| {
            let parser = thread::Builder::new().stack_size(PARSER_STACK).spawn_scoped(scope, || {
                let program = Program::compile(text).map_err(|error| error.to_string().replace("\n| ", "\n | "))?;
                inspect(program.expression(), &mut Vec::new(), 0).map_err(|fault| fault.told(text))?;
                Ok(program)
            });
            parser.ok()?.join().ok()
        });
        let program: Program = compiled.unwrap_or_else(|| Err("the expression cannot be parsed".to_owned()))?;
        let uses_old_self = program.references().has_variable("oldSelf");
        Ok(Self { program, uses_old_self })
    }

    /// Runs it. A panic inside counts as an error.
    pub fn run(&self, own: &Cel, old: Option<Cel>) -> Result<Cel, ExecutionError> {
        FUNCTIONS.with(|functions| {
            let mut context = functions.new_inner_scope();
            context.add_variable_from_value("self", own.clone());
            if let Some(old) = old {
                context.add_variable_from_value("oldSelf", old);
            }
            let result = catch_unwind(AssertUnwindSafe(|| self.program.execute(&context)));
            result.unwrap_or_else(|_: Box<dyn Any + Send>| Err(ExecutionError::function_error("rule", "the rule cannot be evaluated")))
        })
    }
}

/// Why an expression that parses is refused.
enum Fault<'a> {
    TooDeep,
    Unknown(&'a str),
}

impl Fault<'_> {
    fn told(&self, text: &str) -> String {
        match self {
            Fault::TooDeep => format!("the expression is nested deeper than {MAX_DEPTH} levels"),
            Fault::Unknown(name) => {
                let place = text.find(name).unwrap_or_default();
                let dots = ".".repeat(text[..place].chars().count());
                let column = dots.len() + 1;
                format!("ERROR: <input>:1:{column}: undeclared reference to '{name}' (in container '')\n | {text}\n | {dots}^")
            }
        }
    }
}

/// Looks for names that stand for nothing. `loops` are the variables of the loops around.
fn inspect<'a>(expression: &'a IdedExpr, loops: &mut Vec<&'a str>, depth: usize) -> Result<(), Fault<'a>> {
    if depth > MAX_DEPTH {
        return Err(Fault::TooDeep);
    }
    let depth = depth + 1;
    match &expression.expr {
        Expr::Ident(name) => {
            let known = name.starts_with('@') || [TYPES, NAMES, loops].concat().contains(&name.as_str());
            if known { Ok(()) } else { Err(Fault::Unknown(name)) }
        }
        Expr::Call(call) => call.target.iter().map(AsRef::as_ref).chain(&call.args).try_for_each(|part| inspect(part, loops, depth)),
        Expr::Select(select) => inspect(&select.operand, loops, depth),
        Expr::List(list) => list.elements.iter().try_for_each(|part| inspect(part, loops, depth)),
        Expr::Map(map) => map.entries.iter().try_for_each(|entry| match &entry.expr {
            EntryExpr::MapEntry(entry) => inspect(&entry.key, loops, depth).and_then(|()| inspect(&entry.value, loops, depth)),
            EntryExpr::StructField(field) => inspect(&field.value, loops, depth),
        }),
        Expr::Struct(value) => Err(Fault::Unknown(&value.type_name)),
        Expr::Comprehension(step) => {
            inspect(&step.iter_range, loops, depth)?;
            inspect(&step.accu_init, loops, depth)?;
            let outer = loops.len();
            loops.extend([step.iter_var.as_str(), step.accu_var.as_str()]);
            loops.extend(step.iter_var2.as_deref());
            let inside = [&step.loop_cond, &step.loop_step, &step.result].into_iter().try_for_each(|part| inspect(part, loops, depth));
            loops.truncate(outer);
            inside
        }
        Expr::Literal(_) | Expr::Unspecified => Ok(()),
    }
}
