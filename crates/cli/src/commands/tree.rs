//! A snapshot as lines of a table.

use ratatui::{
    Frame,
    layout::{Constraint, Layout},
    style::{Color, Style, Stylize},
    text::Line,
    widgets::{Row, Table},
};
use serde_json::Value;

/// One actor or loop.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Node {
    /// Indented by its depth in the tree.
    name: String,
    state: String,
    /// Messages handled, or a loop's turns.
    count: String,
    restarts: u64,
    waiting: u64,
    /// What it says of itself, or its last error.
    says: String,
    alarming: bool,
}

/// All actors and loops of a snapshot, the tree's root left out.
pub(crate) fn lines(snapshot: &Value) -> Vec<Node> {
    let mut nodes = Vec::new();
    for child in children(&snapshot["tree"]["root"]) {
        walk(child, 0, &mut nodes);
    }
    nodes
}

fn children(node: &Value) -> &[Value] {
    node["children"].as_array().map_or(&[], Vec::as_slice)
}

fn walk(node: &Value, depth: usize, nodes: &mut Vec<Node>) {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let number = |value: &Value| value.as_u64().unwrap_or_default();
    let of_loop = &node["loop"];
    let (from, mut state) = if of_loop.is_null() {
        (node, text(&node["state"]))
    } else {
        let is = |what: &str| of_loop[what].as_bool().unwrap_or_default();
        let state = match (is("backing_off"), is("running"), is("paused")) {
            (true, ..) => "backing off",
            (_, false, _) => "stopped",
            (.., true) => "paused",
            _ => "running",
        };
        (of_loop, state.to_owned())
    };
    let blocks = node["blocks_thread"].as_bool().unwrap_or_default();
    if blocks {
        state = "blocks its thread".to_owned();
    }
    if let Some(left) = from["resumes_in_ms"].as_u64() {
        state = format!("{state} {}", short(left));
    }
    let error = text(&from["last_error"]);
    let details = node["details"].as_object().filter(|_| of_loop.is_null());
    let says = match details {
        _ if !error.is_empty() => error.clone(),
        Some(details) => details
            .iter()
            .filter(|(_, value)| value.as_str() != Some("0"))
            .map(|(key, value)| match key.as_str() {
                "connection" => text(value),
                key => format!("{}: {}", key.replace('_', " "), text(value)),
            })
            .collect::<Vec<_>>()
            .join(", "),
        None => String::new(),
    };
    let count = if of_loop.is_null() {
        number(&node["messages"]["handled"])
    } else {
        number(&of_loop["iterations"])
    };
    nodes.push(Node {
        name: format!("{:1$}{2}", "", depth * 2, text(&node["name"])),
        alarming: blocks || state.starts_with("backing") || state == "finished",
        state,
        count: count.to_string(),
        restarts: number(&from["restarts"]),
        waiting: number(&node["messages"]["depth"]) + number(&of_loop["signals_queued"]),
        says,
    });
    for child in children(node) {
        walk(child, depth + 1, nodes);
    }
}

/// A time in milliseconds, to two digits or so.
fn short(ms: u64) -> String {
    match ms {
        0..10_000 => format!("{}.{} s", ms / 1000, ms % 1000 / 100),
        10_000..120_000 => format!("{} s", ms / 1000),
        120_000..7_200_000 => format!("{} min", ms / 60_000),
        _ => format!("{} h", ms / 3_600_000),
    }
}

/// Draws the snapshot, from this line on.
pub(crate) fn draw(frame: &mut Frame<'_>, snapshot: &Value, lines: &[Node], from: usize) {
    let [head, body] =
        Layout::vertical([Constraint::Length(2), Constraint::Min(0)]).areas(frame.area());
    let user = match snapshot["user_id"].as_i64() {
        Some(id) => format!("user {id}"),
        None => "nobody logged in".to_owned(),
    };
    let title = format!(
        "{}  {user}  {} calls under way  {} errors nobody awaited",
        snapshot["account"].as_str().unwrap_or_default(),
        snapshot["calls_in_flight"],
        snapshot["unawaited_errors"],
    );
    let title = match snapshot["stopped"].as_str() {
        Some(why) => Line::from(format!("{title}  STOPPED: {why}")).fg(Color::Red),
        None => Line::from(title).bold(),
    };
    frame.render_widget(title, head);
    let rows = lines.iter().skip(from).map(|node| {
        let style = if node.alarming {
            Style::new().fg(Color::Red)
        } else {
            Style::new()
        };
        Row::new([
            node.name.clone(),
            node.state.clone(),
            node.count.clone(),
            node.restarts.to_string(),
            node.waiting.to_string(),
            node.says.clone(),
        ])
        .style(style)
    });
    let widths = [
        Constraint::Fill(2),
        Constraint::Length(18),
        Constraint::Length(9),
        Constraint::Length(8),
        Constraint::Length(7),
        Constraint::Fill(4),
    ];
    let header = Row::new(["NAME", "STATE", "COUNT", "RESTARTS", "WAITING", ""]).bold();
    frame.render_widget(Table::new(rows, widths).header(header), body);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use ratatui::{Terminal, backend::TestBackend};
    use serde_json::json;

    use super::*;

    fn snapshot() -> Value {
        json!({
            "account": "main", "user_id": 7, "calls_in_flight": 3, "unawaited_errors": 0,
            "tree": {"root": {"name": "main", "children": [
                {"name": "main", "state": "running", "restarts": 0, "messages": {"handled": 0, "depth": 0}, "children": [
                    {"name": "connection", "state": "running", "restarts": 1, "messages": {"handled": 12, "depth": 2},
                     "details": {"connection": "connected to datacenter 2", "asleep": "0"}},
                ]},
                {"name": "cron", "state": "running", "messages": {"handled": 9, "depth": 0}, "loop": {
                    "running": true, "paused": true, "backing_off": false, "iterations": 5, "restarts": 0,
                    "resumes_in_ms": 90_500, "signals_queued": 1}},
                {"name": "flaky", "state": "running", "messages": {"handled": 9, "depth": 0}, "loop": {
                    "running": true, "paused": true, "backing_off": true, "iterations": 5, "restarts": 4,
                    "resumes_in_ms": 1_250, "signals_queued": 0, "last_error": "no bread"}},
            ]}}
        })
    }

    #[test]
    fn a_snapshot_is_a_table_of_its_tree() {
        let mut terminal = Terminal::new(TestBackend::new(100, 7)).unwrap();
        let seen = snapshot();
        terminal
            .draw(|frame| draw(frame, &seen, &lines(&seen), 0))
            .unwrap();
        let shown: Vec<String> = (0..7)
            .map(|row| {
                let cells = (0..100).map(|column| {
                    terminal.backend().buffer()[(column, row)]
                        .symbol()
                        .to_owned()
                });
                cells
                    .collect::<String>()
                    .split_whitespace()
                    .collect::<Vec<_>>()
                    .join(" ")
            })
            .collect();
        assert_eq!(
            shown,
            [
                "main user 7 3 calls under way 0 errors nobody awaited",
                "",
                "NAME STATE COUNT RESTARTS WAITING",
                "main running 0 0 0",
                "connection running 12 1 2 connected to datacenter 2",
                "cron paused 90 s 5 0 1",
                "flaky backing off 1.2 s 5 4 0 no bread",
            ]
        );
        let nodes = lines(&seen);
        assert_eq!(nodes[1].name, "  connection");
        assert!(nodes[3].alarming && !nodes[2].alarming);
    }

    #[test]
    fn what_is_not_a_snapshot_shows_nothing_and_breaks_nothing() {
        for odd in [
            json!(null),
            json!({}),
            json!({"tree": {"root": {"children": [1, {}]}}}),
        ] {
            let mut terminal = Terminal::new(TestBackend::new(20, 3)).unwrap();
            terminal
                .draw(|frame| draw(frame, &odd, &lines(&odd), 5))
                .unwrap();
        }
    }
}
