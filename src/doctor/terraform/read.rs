//! Reads resources from a document.

use serde_json::Value;

use crate::error::{Error, Result};

/// A resource of a document.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Resource {
    /// `module.db.aws_db_instance.main[0]`
    pub address: String,
    /// `aws_db_instance`
    pub kind: String,
    /// What it is now, as far as the document says; an object.
    pub values: Value,
}

impl Resource {
    /// The texts of these attributes that are known.
    pub(crate) fn names(&self, attributes: &[&str]) -> Vec<&str> {
        attributes
            .iter()
            .filter_map(|name| self.values.get(name)?.as_str())
            .filter(|text| !text.is_empty())
            .collect()
    }
}

pub(super) fn flag(values: &Value, attribute: &str) -> Option<bool> {
    values.get(attribute)?.as_bool()
}

/// A resource that a plan changes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Planned {
    pub resource: Resource,
    /// `create`, `read`, `update`, `delete`, `no-op`, `forget`; two of them for a replacement.
    pub actions: Vec<String>,
    /// What it will be; null where it is deleted.
    pub after: Value,
}

impl Planned {
    pub(crate) fn has(&self, action: &str) -> bool {
        self.actions.iter().any(|one| one == action)
    }
}

/// What a file holds.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Document {
    Plan(Vec<Planned>),
    State(Vec<Resource>),
}

const HINT: &str =
    "give what `terraform show -json plan.out` or `terraform show -json` printed, or a state file";

fn wrong(what: impl Into<String>) -> Error {
    Error::usage(what).hint(HINT)
}

/// Whether Terraform may change it; data sources are only read.
fn is_managed(resource: &Value) -> bool {
    resource.get("mode").and_then(Value::as_str) != Some("data")
}

fn text(value: &Value, name: &str) -> Option<String> {
    Some(value.get(name)?.as_str()?.to_owned())
}

/// The elements of a list; none where it is not there.
fn list<'a>(value: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    let list = value.get(name).and_then(Value::as_array);
    list.into_iter().flatten()
}

/// Reads a document.
pub(crate) fn parse(text: &str) -> Result<Document> {
    if text.trim().is_empty() {
        return Err(wrong("is empty"));
    }
    if text.starts_with("PK\u{3}\u{4}") {
        return Err(wrong(
            "is a plan in Terraform's own format, which only Terraform reads",
        ));
    }
    let document: Value =
        serde_json::from_str(text).map_err(|why| wrong("is not JSON").because(why))?;
    if document.get("resource_changes").is_some() || document.get("planned_values").is_some() {
        return plan(&document).map(Document::Plan);
    }
    if document.get("terraform_version").is_some() && document.get("version").is_some() {
        return state_file(&document).map(Document::State);
    }
    if document.get("format_version").is_some() {
        check_format(&document)?;
        let mut found = Vec::new();
        if let Some(root) = document.pointer("/values/root_module") {
            module(root, &mut found)?;
        }
        return Ok(Document::State(found));
    }
    Err(wrong(
        "is JSON, but neither a plan nor a state of Terraform",
    ))
}

fn plan(document: &Value) -> Result<Vec<Planned>> {
    check_format(document)?;
    if document.get("errored") == Some(&Value::Bool(true)) {
        return Err(
            Error::usage("is the plan of a run that failed, and not whole")
                .hint("run `terraform plan` again; nobody should apply this one"),
        );
    }
    // A plan that changes nothing has no list of changes.
    let changes = |name: &str| match document.get(name) {
        None | Some(Value::Null) => Ok(&[][..]),
        Some(Value::Array(list)) => Ok(list.as_slice()),
        Some(_) => Err(wrong(format!("has {name} that are no list"))),
    };
    // Those that a later plan of the same run will make.
    let deferred = changes("deferred_changes")?.iter();
    let deferred = deferred.filter_map(|one| one.get("resource_change"));
    let all = changes("resource_changes")?.iter().chain(deferred);
    all.filter(|one| is_managed(one)).map(planned).collect()
}

/// A newer major format may mean other things by the same words.
fn check_format(document: &Value) -> Result<()> {
    let format = text(document, "format_version").unwrap_or_default();
    if matches!(format.split('.').next(), Some("0" | "1")) {
        return Ok(());
    }
    Err(wrong(format!(
        "is in format '{format}' of Terraform, known are 0 and 1"
    )))
}

fn planned(change: &Value) -> Result<Planned> {
    let actions = change.pointer("/change/actions").and_then(Value::as_array);
    let (Some(address), Some(kind), Some(actions)) =
        (text(change, "address"), text(change, "type"), actions)
    else {
        return Err(wrong("has a change without address, type or actions"));
    };
    let value = |pointer| change.pointer(pointer).cloned().unwrap_or_default();
    let (before, after): (Value, Value) = (value("/change/before"), value("/change/after"));
    let deposed = match text(change, "deposed") {
        Some(deposed) => format!("{address} (deposed {deposed})"),
        None => address,
    };
    let actions = actions.iter().map(action).collect::<Result<_>>()?;
    Ok(Planned {
        resource: Resource {
            address: deposed,
            kind,
            values: if before.is_object() {
                before
            } else {
                after.clone()
            },
        },
        actions,
        after,
    })
}

/// One that we do not know may destroy.
fn action(action: &Value) -> Result<String> {
    const KNOWN: [&str; 6] = ["no-op", "create", "read", "update", "delete", "forget"];
    match action.as_str() {
        Some(known) if KNOWN.contains(&known) => Ok(known.to_owned()),
        _ => Err(wrong(format!(
            "has a change with the unknown action {action}"
        ))),
    }
}

/// `terraform show -json` of a state: modules within modules.
fn module(module: &Value, found: &mut Vec<Resource>) -> Result<()> {
    for one in list(module, "resources").filter(|one| is_managed(one)) {
        let (Some(address), Some(kind)) = (text(one, "address"), text(one, "type")) else {
            return Err(wrong("has a resource without address or type"));
        };
        found.push(Resource {
            address,
            kind,
            values: one.get("values").cloned().unwrap_or_default(),
        });
    }
    for child in list(module, "child_modules") {
        self::module(child, found)?;
    }
    Ok(())
}

/// A `terraform.tfstate`, version 4.
fn state_file(document: &Value) -> Result<Vec<Resource>> {
    let version = document.get("version").and_then(Value::as_u64);
    if version != Some(4) {
        return Err(wrong("is a state file of another version than 4"));
    }
    let mut found = Vec::new();
    for one in list(document, "resources").filter(|one| is_managed(one)) {
        let module = match text(one, "module").unwrap_or_default().as_str() {
            "" => String::new(),
            module => format!("{module}."),
        };
        let kind = text(one, "type").unwrap_or_default();
        let name = text(one, "name").unwrap_or_default();
        for instance in list(one, "instances") {
            let index = match instance.get("index_key") {
                None | Some(Value::Null) => String::new(),
                Some(key) => format!("[{key}]"),
            };
            found.push(Resource {
                address: format!("{module}{kind}.{name}{index}"),
                kind: kind.clone(),
                values: instance.get("attributes").cloned().unwrap_or_default(),
            });
        }
    }
    Ok(found)
}
