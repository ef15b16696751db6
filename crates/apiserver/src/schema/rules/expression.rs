//! Compiles and runs expressions, whatever is wrong with them.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;

use kube_cel::KubeCelExt as _;
use kube_cel::cel::common::ast::{EntryExpr, Expr, IdedEntryExpr, IdedExpr};
use kube_cel::cel::objects::ValueType;
use kube_cel::cel::{Context, ExecutionError, Program, Value as Cel};

/// How much stack the parser may need, in bytes: it recurses a dozen times for each parenthesis.
const PARSER_STACK: usize = 64 * 1024 * 1024;

/// How deep an expression may be nested after parsing. Running it recurses as deep.
const MAX_DEPTH: usize = 32;

/// The names of types, as expressions compare them.
const TYPES: &[&str] = &["int", "uint", "double", "bool", "string", "bytes", "list", "map", "null_type", "timestamp", "duration"];

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
    /// Why it does not parse.
    pub fn new(text: &str) -> Result<Self, String> {
        let compiled = thread::scope(|scope| {
            let parser = thread::Builder::new().stack_size(PARSER_STACK).spawn_scoped(scope, || {
                let program = Program::compile(text).map_err(|error| error.to_string().replace("\n| ", "\n | "))?;
                if is_deeper(program.expression(), MAX_DEPTH) {
                    return Err(format!("the expression is nested deeper than {MAX_DEPTH} levels"));
                }
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

/// Whether an expression is nested deeper than `levels`. Looks no further than that.
fn is_deeper(expression: &IdedExpr, levels: usize) -> bool {
    if levels == 0 {
        return true;
    }
    let inner = |part: &IdedExpr| is_deeper(part, levels - 1);
    let entry = |entry: &IdedEntryExpr| match &entry.expr {
        EntryExpr::MapEntry(entry) => inner(&entry.key) || inner(&entry.value),
        EntryExpr::StructField(field) => inner(&field.value),
    };
    match &expression.expr {
        Expr::Call(call) => call.target.iter().map(AsRef::as_ref).chain(&call.args).any(inner),
        Expr::Select(select) => inner(&select.operand),
        Expr::List(list) => list.elements.iter().any(inner),
        Expr::Map(map) => map.entries.iter().any(entry),
        Expr::Struct(value) => value.entries.iter().any(entry),
        Expr::Comprehension(step) => {
            [&step.iter_range, &step.accu_init, &step.loop_cond, &step.loop_step, &step.result].into_iter().any(inner)
        }
        Expr::Ident(_) | Expr::Literal(_) | Expr::Unspecified => false,
    }
}
