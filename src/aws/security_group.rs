//! What a security group lets out. RDS knows groups by their ids alone, and EC2's SDK, the largest of
//! all, would be built for one call: it is signed here by hand.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::ProvideCredentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use roxmltree::{Document, Node};
use ureq::http::Request;

use super::account::Account;
use super::fault::{self, Operation};
use crate::error::{Context, Error, Kind, Result};
use crate::web;

const OPERATION: Operation = Operation {
    name: "DescribeSecurityGroups",
    rights: "ec2:DescribeSecurityGroups",
};
/// Of EC2's API; it has had no other for ten years.
const VERSION: &str = "2016-11-15";
const ATTEMPT: Duration = Duration::from_secs(20);
/// Milliseconds before the second to the fifth attempt.
const PAUSES: [u64; 4] = [250, 500, 1000, 2000];
/// Nothing leaves a machine by it.
const LOOPBACK: [&str; 2] = ["127.0.0.1/32", "::1/128"];
const EXPIRED: &str = "RequestExpired";
const FORM: &str = "application/x-www-form-urlencoded";

/// Where its rules let connections go, such as `tcp to 0.0.0.0/0`; empty: nowhere.
pub async fn lets_out(account: &Account, group: &str) -> Result<Vec<String>> {
    let mut pauses = PAUSES.iter();
    loop {
        let credentials = account.credentials().provide_credentials().await;
        let credentials = credentials.map_err(|why| fault::no_answer(what(group), &why))?;
        let access_key = credentials.access_key_id().to_owned();
        let refused = match ask(account, group, credentials).await {
            Ok(answer) => return egress(&answer, group),
            Err(refused) => refused,
        };
        if refused.expired {
            account.forget(&access_key);
        }
        let again = refused.expired || refused.error.kind() == Kind::Unavailable;
        match pauses.next() {
            Some(pause) if again => tokio::time::sleep(Duration::from_millis(*pause)).await,
            _ => return Err(refused.error),
        }
    }
}

fn what(group: &str) -> String {
    format!("cannot tell what security group {group} lets out")
}

/// Why an attempt brought nothing.
struct Refused {
    error: Error,
    /// AWS calls the credentials so, whatever our clock says.
    expired: bool,
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self {
            error,
            expired: false,
        }
    }
}

/// One attempt: EC2's answer, as XML.
async fn ask(account: &Account, group: &str, by: Credentials) -> Result<String, Refused> {
    let request = signed(account, group, by)?;
    let asked = tokio::task::spawn_blocking(move || {
        // On the way of the SDKs' calls, which is past any proxy.
        let mut reply = web::agent(ATTEMPT, false).run(request)?;
        let text = reply.body_mut().read_to_string()?;
        Ok::<_, ureq::Error>((reply.status().as_u16(), text))
    });
    let (status, text) = asked
        .await
        .context(|| "a thread for a call of EC2".to_owned())?
        .map_err(|why| fault::no_answer(what(group), &why))?;
    if status == 200 {
        return Ok(text);
    }
    let (code, message) = refusal(&text);
    Err(Refused {
        expired: code == EXPIRED,
        error: fault::refused(&OPERATION, what(group), status, &code, &message),
    })
}

fn signed(account: &Account, group: &str, by: Credentials) -> Result<Request<String>> {
    // The id is checked where the configuration is read: letters, digits and hyphens.
    let body = format!(
        "Action={}&GroupId.1={group}&Version={VERSION}",
        OPERATION.name
    );
    let url = account.endpoint("ec2");
    let no_signature =
        |why: Box<dyn std::error::Error + Send + Sync>| Error::failed(what(group)).because(why);
    let identity = by.into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(&account.region)
        .name("ec2")
        .time(SystemTime::now())
        .settings(SigningSettings::default())
        .build()
        .map_err(|why| no_signature(why.into()))?
        .into();
    let headers = [("content-type", FORM)].into_iter();
    let signable = SignableBody::Bytes(body.as_bytes());
    let signable = SignableRequest::new("POST", &url, headers, signable)
        .map_err(|why| no_signature(why.into()))?;
    let signing = sign(signable, &params).map_err(|why| no_signature(why.into()))?;
    let (instructions, _) = signing.into_parts();
    let mut request = Request::post(&url)
        .header("content-type", FORM)
        .body(body.clone())
        .map_err(|why| no_signature(why.into()))?;
    instructions.apply_to_request_http1x(&mut request);
    Ok(request)
}

/// Code and message of an error's XML; of what is none, nothing.
fn refusal(text: &str) -> (String, String) {
    let Ok(document) = Document::parse(text) else {
        return Default::default();
    };
    let first = |name: &str| {
        let found = document.descendants().find(|node| node.has_tag_name(name));
        found
            .and_then(|node| node.text())
            .unwrap_or_default()
            .to_owned()
    };
    (first("Code"), first("Message"))
}

/// The destinations of all its egress rules. What is no answer about this group is an error, never
/// "nowhere".
fn egress(answer: &str, group: &str) -> Result<Vec<String>> {
    let unread = || Error::failed(format!("{}: EC2's answer does not tell", what(group)));
    let document = Document::parse(answer).map_err(|why| unread().because(why))?;
    let told = document
        .descendants()
        .find(|node| {
            let id = child(*node, "groupId").and_then(|id| id.text());
            id == Some(group) && child(*node, "ownerId").is_some()
        })
        .and_then(|told| child(told, "ipPermissionsEgress"))
        .ok_or_else(unread)?;
    let rules = told.children().filter(Node::is_element);
    Ok(rules.flat_map(destinations).collect())
}

/// Whatever kinds of destination a rule may come to have, each is a list of items.
fn destinations<'a>(rule: Node<'a, 'a>) -> impl Iterator<Item = String> {
    let protocol = child(rule, "ipProtocol").and_then(|one| one.text());
    let protocol = match protocol {
        None | Some("-1") => "anything".to_owned(),
        Some(protocol) => protocol.to_owned(),
    };
    let items = rule.children().flat_map(|kind| kind.children());
    let items = items.filter(|item| item.has_tag_name("item"));
    let names = items.map(|item| {
        let names = item.children().filter(Node::is_element);
        let by_id = names.clone().find(|one| one.has_tag_name("groupId"));
        let other = || names.clone().find(|one| !one.has_tag_name("description"));
        let name = by_id.or_else(other).and_then(|one| one.text());
        name.unwrap_or("somewhere").to_owned()
    });
    names
        .filter(|name| !LOOPBACK.contains(&name.as_str()))
        .map(move |name| format!("{protocol} to {name}"))
}

fn child<'a>(of: Node<'a, 'a>, name: &str) -> Option<Node<'a, 'a>> {
    of.children().find(|node| node.has_tag_name(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(rules: &str) -> Result<Vec<String>> {
        let answer = format!(
            "<DescribeSecurityGroupsResponse xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\">\
             <requestId>r</requestId><securityGroupInfo><item><ownerId>1</ownerId>\
             <groupId>sg-1</groupId><ipPermissions><item><ipProtocol>tcp</ipProtocol><groups><item>\
             <groupId>sg-2</groupId></item></groups></item></ipPermissions>{rules}</item>\
             </securityGroupInfo></DescribeSecurityGroupsResponse>"
        );
        egress(&answer, "sg-1")
    }

    fn rule(inside: &str) -> Vec<String> {
        let rules = format!(
            "<ipPermissionsEgress><item><ipProtocol>-1</ipProtocol>{inside}</item></ipPermissionsEgress>"
        );
        told(&rules).unwrap()
    }

    #[test]
    fn a_rule_lets_out_whatever_its_destination_is_called() {
        for (inside, to) in [
            (
                "<ipRanges><item><cidrIp>0.0.0.0/0</cidrIp></item></ipRanges>",
                "0.0.0.0/0",
            ),
            (
                "<groups/><ipv6Ranges><item><description>d</description><cidrIpv6>::/0</cidrIpv6>\
                 </item></ipv6Ranges>",
                "::/0",
            ),
            (
                "<groups><item><userId>1</userId><groupId>sg-1</groupId></item></groups>",
                "sg-1",
            ),
            (
                "<prefixListIds><item><prefixListId>pl-1</prefixListId></item></prefixListIds>",
                "pl-1",
            ),
            ("<later><item><kind>x</kind></item></later>", "x"),
            ("<later><item/></later>", "somewhere"),
        ] {
            assert_eq!(rule(inside), [format!("anything to {to}")]);
        }
    }

    #[test]
    fn no_rule_and_the_loopback_let_nothing_out() {
        assert_eq!(told("<ipPermissionsEgress/>").unwrap(), [""; 0]);
        let loopback = "<ipRanges><item><cidrIp>127.0.0.1/32</cidrIp></item></ipRanges>\
                        <ipv6Ranges><item><cidrIpv6>::1/128</cidrIpv6></item></ipv6Ranges>";
        assert_eq!(rule(loopback), [""; 0]);
        assert_eq!(rule(""), [""; 0]);
    }

    #[test]
    fn an_answer_that_does_not_tell_is_not_nothing() {
        assert!(told("").is_err());
        assert!(egress("", "sg-1").is_err());
        assert!(egress("<html>busy</html>", "sg-1").is_err());
        let other = "<a><item><groupId>sg-2</groupId><ipPermissionsEgress/></item></a>";
        assert!(egress(other, "sg-1").is_err());
    }
}
