//! Which destinations a security group lets connections go to. RDS knows groups by their ids alone, and
//! EC2's SDK, the largest of all, would be built for one call.

use roxmltree::{Document, Node};

use super::account::Account;
use super::call_error::Operation;
use super::query::Query;
use crate::error::{Error, Result};

/// The only version of EC2's API since 2016.
const VERSION: &str = "2016-11-15";
/// Connections to it stay on the machine.
const LOOPBACK: [&str; 2] = ["127.0.0.1/32", "::1/128"];

/// The destinations that its egress rules allow, such as `tcp to 0.0.0.0/0`; empty: none.
pub(crate) async fn egress(account: &Account, group: &str) -> Result<Vec<String>> {
    let query = Query {
        operation: Operation {
            name: "DescribeSecurityGroups",
            rights: "ec2:DescribeSecurityGroups",
        },
        service: "ec2",
        // The id is checked where the configuration is read: letters, digits and hyphens.
        body: format!("Action=DescribeSecurityGroups&GroupId.1={group}&Version={VERSION}"),
        what: what(group),
    };
    parse_egress(&query.send(account).await?, group)
}

fn what(group: &str) -> String {
    format!("cannot tell what security group {group} lets out")
}

/// Reads the destinations of all egress rules. An answer that does not describe this group is an
/// error, never "none".
fn parse_egress(answer: &str, group: &str) -> Result<Vec<String>> {
    let unread = || Error::failed(format!("{}: EC2's answer does not tell", what(group)));
    let document = Document::parse(answer).map_err(|why| unread().because(why))?;
    let rules = document
        .descendants()
        .find(|node| {
            let id = child(*node, "groupId").and_then(|id| id.text());
            id == Some(group) && child(*node, "ownerId").is_some()
        })
        .and_then(|found| child(found, "ipPermissionsEgress"))
        .ok_or_else(unread)?;
    let rules = rules.children().filter(Node::is_element);
    Ok(rules.flat_map(destinations).collect())
}

/// A rule has a list of items for each kind of destination, also for kinds that AWS may add.
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

fn child<'a>(parent: Node<'a, 'a>, name: &str) -> Option<Node<'a, 'a>> {
    parent.children().find(|node| node.has_tag_name(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(rules: &str) -> Result<Vec<String>> {
        let answer = format!(
            "<DescribeSecurityGroupsResponse xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\">\
             <requestId>r</requestId><securityGroupInfo><item><ownerId>1</ownerId>\
             <groupId>sg-1</groupId><ipPermissions><item><ipProtocol>tcp</ipProtocol><groups><item>\
             <groupId>sg-2</groupId></item></groups></item></ipPermissions>{rules}</item>\
             </securityGroupInfo></DescribeSecurityGroupsResponse>"
        );
        parse_egress(&answer, "sg-1")
    }

    fn rule(inside: &str) -> Vec<String> {
        let rules = format!(
            "<ipPermissionsEgress><item><ipProtocol>-1</ipProtocol>{inside}</item></ipPermissionsEgress>"
        );
        parsed(&rules).unwrap()
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
        assert_eq!(parsed("<ipPermissionsEgress/>").unwrap(), [""; 0]);
        let loopback = "<ipRanges><item><cidrIp>127.0.0.1/32</cidrIp></item></ipRanges>\
                        <ipv6Ranges><item><cidrIpv6>::1/128</cidrIpv6></item></ipv6Ranges>";
        assert_eq!(rule(loopback), [""; 0]);
        assert_eq!(rule(""), [""; 0]);
    }

    #[test]
    fn an_answer_that_does_not_tell_is_not_nothing() {
        assert!(parsed("").is_err());
        assert!(parse_egress("", "sg-1").is_err());
        assert!(parse_egress("<html>busy</html>", "sg-1").is_err());
        let other = "<a><item><groupId>sg-2</groupId><ipPermissionsEgress/></item></a>";
        assert!(parse_egress(other, "sg-1").is_err());
    }

    #[test]
    fn foreign_answers_are_refused_or_tell_of_the_group_that_was_asked_for() {
        crate::foreign::each_text("xml", |answer| {
            if let Ok(destinations) = parse_egress(answer, "sg-1") {
                assert!(answer.contains("ipPermissionsEgress"), "{answer}");
                assert!(destinations.len() <= answer.matches("item").count());
            }
        });
    }
}
