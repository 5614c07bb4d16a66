//! A query's rows as values of our types. A column of another type is an error that names the column
//! and the statement.

use std::error::Error as StdError;

use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, Type};

use crate::error::{Error, Result, ResultExt};
use crate::model::catalog::Name;
use crate::opaque;

/// What a row, or some columns of it, can be read as.
pub trait FromRow: Sized {
    fn from_row(row: &mut RowReader<'_>) -> Result<Self>;
}

/// Reads the columns of one row from left to right.
pub struct RowReader<'a> {
    row: &'a Row,
    column: usize,
}

impl<'a> RowReader<'a> {
    pub(super) fn new(row: &'a Row) -> Self {
        Self { row, column: 0 }
    }

    /// The next value, which may take several columns.
    pub fn read<T: FromRow>(&mut self) -> Result<T> {
        T::from_row(self)
    }

    fn read_column<T: for<'b> FromSql<'b>>(&mut self) -> Result<T> {
        let column = self.column;
        self.column += 1;
        self.row.try_get(column).map_err(|error| {
            let name = self.row.columns().get(column).map_or("?", |it| it.name());
            Error::failed(format!("column {} ({name})", column + 1)).because(error)
        })
    }
}

macro_rules! single_columns {
    ($($value:ty),*) => {$(
        impl FromRow for $value {
            fn from_row(row: &mut RowReader<'_>) -> Result<Self> {
                row.read_column()
            }
        }
    )*};
}

single_columns!(bool, i32, i64, u32, Option<bool>, Vec<u32>);

/// Text, whose bytes may be of any encoding.
struct Text(String);

impl<'a> FromSql<'a> for Text {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn StdError + Sync + Send>> {
        Ok(Self(opaque::text(raw)))
    }

    fn accepts(as_type: &Type) -> bool {
        <&str as FromSql>::accepts(as_type)
    }
}

impl FromRow for String {
    fn from_row(row: &mut RowReader<'_>) -> Result<Self> {
        row.read_column::<Text>().map(|text| text.0)
    }
}

impl FromRow for Option<String> {
    fn from_row(row: &mut RowReader<'_>) -> Result<Self> {
        let text: Option<Text> = row.read_column()?;
        Ok(text.map(|text| text.0))
    }
}

impl FromRow for Vec<String> {
    fn from_row(row: &mut RowReader<'_>) -> Result<Self> {
        let texts: Vec<Text> = row.read_column()?;
        Ok(texts.into_iter().map(|text| text.0).collect())
    }
}

macro_rules! tuples {
    ($(($($value:ident),*))*) => {$(
        impl<$($value: FromRow),*> FromRow for ($($value,)*) {
            fn from_row(row: &mut RowReader<'_>) -> Result<Self> {
                Ok(($(row.read::<$value>()?,)*))
            }
        }
    )*};
}

tuples!((A, B)(A, B, C)(A, B, C, D)(A, B, C, D, E));

/// Reads the fields of a struct from the columns in this order; fields after the `;` are no columns.
macro_rules! from_row {
    ($value:ty: $($field:ident),* $(; $($other:ident: $default:expr),*)?) => {
        impl $crate::pg::session::rows::FromRow for $value {
            fn from_row(
                row: &mut $crate::pg::session::rows::RowReader<'_>,
            ) -> $crate::error::Result<Self> {
                Ok(Self {
                    $($field: row.read()?,)*
                    $($($other: $default,)*)?
                })
            }
        }
    };
}
pub(in crate::pg) use from_row;

/// A count or a size: a `bigint` that is not negative.
impl FromRow for u64 {
    fn from_row(row: &mut RowReader<'_>) -> Result<Self> {
        let number: i64 = row.read()?;
        Self::try_from(number).context(|| format!("{number} is not a count"))
    }
}

// Two columns.
from_row!(Name: schema, name);

/// An error shows a statement on one line.
pub(super) fn query(what: &str, sql: &str) -> String {
    let words: Vec<&str> = sql.split_whitespace().collect();
    format!("{what}: by {}", words.join(" "))
}
