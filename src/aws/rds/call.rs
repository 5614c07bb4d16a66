//! Calls that RDS has twice, for instances and for clusters, under names of their own.

/// An operation of RDS with the rights that it needs: its own, and what `more` adds.
macro_rules! operation {
    ($name:literal $(, $more:literal)?) => {
        &crate::aws::call_error::Operation {
            name: $name,
            rights: concat!("rds:", $name $(, $more)?),
        }
    };
}

/// Sends the call of an instance or that of a cluster. `each`: arguments whose names differ; `both`:
/// those that have one name; `take`: what is taken from the reply, which is dropped otherwise.
macro_rules! send {
    ($rds:ident, $kind:expr, $failed:ident($what:expr);
        $i_name:literal $i_call:ident | $c_name:literal $c_call:ident $(+ $more:literal)?;
        $(each $($i_arg:ident | $c_arg:ident = $value:expr),+;)?
        $(both $($arg:ident = $arg_value:expr),+;)?
    ) => {
        send!($rds, $kind, $failed($what);
            $i_name $i_call | $c_name $c_call $(+ $more)?;
            $(each $($i_arg | $c_arg = $value),+;)?
            $(both $($arg = $arg_value),+;)?
            take _reply => (), ())
    };
    ($rds:ident, $kind:expr, $failed:ident($what:expr);
        $i_name:literal $i_call:ident | $c_name:literal $c_call:ident $(+ $more:literal)?;
        $(each $($i_arg:ident | $c_arg:ident = $value:expr),+;)?
        $(both $($arg:ident = $arg_value:expr),+;)?
        take $reply:ident => $i_taken:expr, $c_taken:expr
    ) => {
        match $kind {
            Kind::Instance => ($rds.client.$i_call())
                $($(.$i_arg($value))+)?
                $($(.$arg($arg_value))+)?
                .send()
                .await
                .map(|$reply| $i_taken)
                .map_err(|why| $failed(operation!($i_name $(, $more)?), $what, why)),
            Kind::Cluster => ($rds.client.$c_call())
                $($(.$c_arg($value))+)?
                $($(.$arg($arg_value))+)?
                .send()
                .await
                .map(|$reply| $c_taken)
                .map_err(|why| $failed(operation!($c_name $(, $more)?), $what, why)),
        }
    };
}

/// Lists all pages of a call of instances or of clusters; `take` says what is taken from each item,
/// as an `Option`.
macro_rules! list {
    ($rds:ident, $kind:expr, $what:expr;
        $i_name:literal $i_call:ident | $c_name:literal $c_call:ident;
        $(each $($i_arg:ident | $c_arg:ident = $value:expr),+;)?
        $(both $($arg:ident = $arg_value:expr),+;)?
        take $item:ident => $i_taken:expr, $c_taken:expr
    ) => {
        match $kind {
            Kind::Instance => all_pages!(
                ($rds.client.$i_call()) $($(.$i_arg($value))+)? $($(.$arg($arg_value))+)?)
                .map(|all| all.into_iter().filter_map(|$item| $i_taken).collect())
                .map_err(|why| from_sdk(operation!($i_name), $what, why)),
            Kind::Cluster => all_pages!(
                ($rds.client.$c_call()) $($(.$c_arg($value))+)? $($(.$arg($arg_value))+)?)
                .map(|all| all.into_iter().filter_map(|$item| $c_taken).collect())
                .map_err(|why| from_sdk(operation!($c_name), $what, why)),
        }
    };
}

macro_rules! all_pages {
    ($($call:tt)+) => {
        $($call)+
            .into_paginator()
            .items()
            .send()
            .collect::<std::result::Result<Vec<_>, _>>()
            .await
    };
}
