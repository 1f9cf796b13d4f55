//! Every view, at the sizes that people have.

use ratatui::crossterm::event::KeyCode::{Char, Enter, Tab};

use super::Person;

/// Compares a frame with the one that is kept beside the tests.
fn check(name: &str, person: &mut Person) {
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!(name, person.frame());
    });
}

#[test]
fn processes() {
    check("processes_80x24", &mut Person::at(80, 24));
    check("processes_120x30", &mut Person::at(120, 30));
    check("processes_40x10", &mut Person::at(40, 10));
}

#[test]
fn tree() {
    check("tree_100x24", Person::at(100, 24).press(Char('t')));
}

#[test]
fn groups() {
    check("groups_100x20", Person::at(100, 20).press(Char('2')));
}

#[test]
fn connections() {
    check("connections_132x16", Person::at(132, 16).press(Char('3')));
}

#[test]
fn devices() {
    check("devices_110x16", Person::at(110, 16).press(Char('4')));
}

#[test]
fn events() {
    check("events_120x16", Person::at(120, 16).press(Char('5')));
}

#[test]
fn detail() {
    let mut person = Person::at(110, 28);
    check("detail_110x28", person.press(Enter));
    check("detail_files_110x28", person.press(Tab));
}

#[test]
fn menus_and_questions() {
    check("help_100x50", Person::at(100, 50).press(Char('?')));
    check(
        "sort_80x24",
        Person::at(80, 24).press(Char('s')).types("rss"),
    );
    check("columns_80x24", Person::at(80, 24).press(Char('c')));
    check("signals_80x24", Person::at(80, 24).press(Char('K')));
    check(
        "question_80x24",
        Person::at(80, 24).press(Char('K')).press(Enter),
    );
}

#[test]
fn typing() {
    let mut person = Person::at(80, 24);
    check(
        "filter_error_80x24",
        person.press(Char('f')).types("cpu_pct >").press(Enter),
    );
}

#[test]
fn replay() {
    check("replay_110x20", &mut Person::at_replay(110, 20));
    let mut person = Person::at_replay(80, 20);
    check(
        "replay_error_80x20",
        person.press(Char('J')).types("soon").press(Enter),
    );
}

#[test]
fn any_size_is_drawn() {
    for (width, height) in [(1, 1), (2, 3), (10, 5), (300, 4), (80, 1), (400, 120)] {
        let mut person = Person::at(width, height);
        for key in ['t', '2', '3', '4', '5', '1', '?', 's', 'c', 'K'] {
            person.press(Char(key));
            person.press(ratatui::crossterm::event::KeyCode::Esc);
        }
        person.press(Enter).press(Tab).press(Tab);
    }
}
