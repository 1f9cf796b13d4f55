//! What keys do, walked through.

use ratatui::crossterm::event::{
    Event, KeyCode,
    KeyCode::{Char, Down, End, Enter, Esc, Home, Left, Right, Up},
    KeyModifiers, MouseButton, MouseEvent, MouseEventKind,
};

use super::Person;
use crate::{
    collector::Request,
    model::{field::Field, identity::ProcessId, selection::Direction},
    tui::{Effect, Travel, state::View},
};

fn person() -> Person {
    Person::at(120, 30)
}

fn id(pid: u32) -> ProcessId {
    ProcessId::new(pid, u64::from(pid) * 1_000_000_000)
}

#[test]
fn the_cursor_moves_and_stays_in_the_list() {
    let mut person = person();
    assert_eq!(person.pid(), Some(400), "the busiest");
    person.press(Down);
    assert_eq!(person.pid(), Some(311));
    person.press(Up).press(Up);
    assert_eq!(person.pid(), Some(400));
    person.press(End);
    let last = person.pid();
    person.press(Down);
    assert_eq!(person.pid(), last);
    person.press(Home);
    assert_eq!(person.pid(), Some(400));
}

#[test]
fn sorting_by_menu_by_column_and_reversed() {
    let mut person = person();
    person.press(Char('s')).types("rss_bytes").press(Enter);
    assert_eq!(person.state.layout.sort, Field::Rss, "columns come first");
    person.press(Char('s')).types("pid").press(Enter);
    assert_eq!(person.state.layout.sort, Field::Pid);
    assert_eq!(person.pid(), Some(960), "the largest, which has just died");
    person.press(Char('r'));
    assert_eq!(person.state.layout.direction, Direction::Reversed);
    assert_eq!(person.pid(), Some(1));
    person.press(Char('>'));
    assert_eq!(person.state.layout.sort, Field::User);
}

#[test]
fn a_filter_narrows_and_escape_widens() {
    let mut person = person();
    person
        .press(Char('f'))
        .types("user == www-data")
        .press(Enter);
    let frame = person.frame();
    assert!(
        frame.contains("nginx: worker") && !frame.contains("postgres"),
        "{frame}"
    );
    assert!(frame.contains("filter: user == www-data"), "{frame}");
    person.press(Esc);
    assert!(person.frame().contains("postgres"));
    person
        .press(Char('f'))
        .types("nobody_is_called_so")
        .press(Enter);
    assert!(
        person
            .frame()
            .contains("no process matches nobody_is_called_so")
    );
}

#[test]
fn a_search_goes_to_matches_as_it_is_typed() {
    let mut person = person();
    person.press(Char('/')).types("worker p");
    assert_eq!(person.pid(), Some(311));
    person.press(Enter).press(Char('n'));
    assert_eq!(person.pid(), Some(312));
    person.press(Char('n'));
    assert_eq!(person.pid(), Some(311), "round the end");
    person.press(Char('N'));
    assert_eq!(person.pid(), Some(312));
}

#[test]
fn a_followed_process_keeps_the_cursor() {
    let mut person = person();
    person.press(Down).press(Char('F'));
    person.press(Char('s')).types("pid").press(Enter);
    assert_eq!(person.pid(), Some(311));
    person.press(Char('F'));
    assert_eq!(person.state.followed, None);
}

#[test]
fn time_stands_still_and_goes_back_and_is_said_to() {
    let mut person = person();
    assert!(!person.frame().contains("PAUSED"));
    person.press(Char(' '));
    assert!(
        person.frame().contains("PAUSED, 0 ns ago"),
        "{}",
        person.frame()
    );
    person.press(Left);
    let frame = person.frame();
    assert!(
        frame.contains("11:59:59") && frame.contains("PAUSED, 1.0 s ago"),
        "{frame}"
    );
    person.press(Left).press(Left).press(Left);
    assert!(
        person.frame().contains("PAUSED, 2.0 s ago"),
        "no further than there is"
    );
    person.press(Right).press(Char('l'));
    assert!(!person.frame().contains("PAUSED"));
}

#[test]
fn a_picture_that_is_late_says_so() {
    let mut person = person();
    person.data.now.boot_ns += 7_000_000_000;
    assert!(person.frame().contains("LATE: no sample for 7.0 s"));
}

#[test]
fn signals_and_niceness_ask_first() {
    let mut person = person();
    person.press(Char('K')).press(Down).press(Enter);
    assert!(person.frame().contains("Send SIGKILL (9) to 400 postgres?"));
    person.press(Enter);
    assert!(person.effects.is_empty(), "only a clear yes is one");
    person.press(Char('K')).press(Enter).press(Char('y'));
    assert_eq!(person.effects, [Effect::Ask(Request::Signal(id(400), 15))]);
    person.effects.clear();
    person.press(Char('+')).press(Char('y'));
    assert_eq!(person.effects, [Effect::Ask(Request::Renice(id(400), 5))]);
}

#[test]
fn views_ask_for_what_they_show() {
    use crate::procfs::Environment;
    let mut person = person();
    person.press(Char('3'));
    assert_eq!(person.effects, [Effect::Ask(Request::Connections)]);
    person.effects.clear();
    person.press(Char('5')).press(Char('1'));
    let switched = |is_on| Effect::Ask(Request::ConnectionEvents(is_on));
    assert_eq!(person.effects, [switched(true), switched(false)]);
    person.effects.clear();
    person.press(Enter);
    let look = |environment| Effect::Ask(Request::Inspect(id(400), environment));
    assert_eq!(person.effects, [look(Environment::LeftOut)]);
    person.effects.clear();
    person.press(Char('e'));
    assert_eq!(
        person.effects,
        [look(Environment::Wanted)],
        "only when asked for"
    );
    assert!(matches!(person.state.view, View::Detail(..)));
    person.press(Esc);
    assert_eq!(person.state.view, View::Processes);
}

#[test]
fn columns_are_chosen_and_moved() {
    let mut person = person();
    person
        .press(Char('c'))
        .types("swap")
        .press(Char(' '))
        .press(Enter);
    assert_eq!(person.state.layout.columns.last(), Some(&Field::Swap));
    assert!(person.frame().contains("SWAP"));
    person.press(Char('c')).press(Right).press(Esc);
    assert_eq!(person.state.layout.columns[..2], [Field::User, Field::Pid]);
    person.press(Char('W'));
    let kept = person.state.layout.clone();
    assert_eq!(person.effects, [Effect::Save(kept)]);
}

#[test]
fn through_a_recording_one_travels() {
    let mut person = Person::at_replay(110, 20);
    for (key, travel) in [
        (Left, Travel::Step(-1)),
        (Right, Travel::Step(1)),
        (Char('('), Travel::Step(-60)),
        (Char(')'), Travel::Step(60)),
        (Char(' '), Travel::PlayOrHold),
        (Char(']'), Travel::Faster),
        (Char('['), Travel::Slower),
        (Char('l'), Travel::End),
    ] {
        person.effects.clear();
        person.press(key);
        assert_eq!(person.effects, [Effect::Travel(travel)]);
    }
    person.effects.clear();
    let now_ns = person.data.now.wall_ns;
    person.press(Char('J')).types("10s ago").press(Enter);
    let there = Travel::To(now_ns - 10_000_000_000);
    assert_eq!(person.effects, [Effect::Travel(there)]);
}

#[test]
fn one_can_go_to_a_time_that_is_in_memory() {
    let mut person = person();
    person.press(Char('J')).types("1h ago").press(Enter);
    assert!(person.frame().contains("nothing of that time is in memory"));
    assert_eq!(person.state.held, None);
    person.press(Esc);
    person.press(Char('J')).types("1s ago").press(Enter);
    assert_eq!(
        person.state.held,
        Some(person.data.timeline.newest().unwrap() - 1)
    );
}

#[test]
fn the_mouse_sorts_and_selects() {
    let mut person = person();
    let frame = person.frame();
    let (row, heading) = frame
        .lines()
        .enumerate()
        .find(|(_, line)| line.contains("COMMAND"))
        .unwrap();
    let column = heading.find("RSS").unwrap() as u16;
    let mut click = |column, row| {
        let event = Event::Mouse(MouseEvent {
            kind: MouseEventKind::Down(MouseButton::Left),
            column,
            row,
            modifiers: KeyModifiers::NONE,
        });
        let effects = person.state.input(&event, &person.data);
        person.frame();
        (person.state.layout.sort, person.pid(), effects)
    };
    assert_eq!(click(column, row as u16).0, Field::Rss);
    let (_, pid, _) = click(3, row as u16 + 3);
    assert_eq!(pid, Some(601), "the third largest");
    let (_, _, effects) = click(3, row as u16 + 3);
    assert!(!effects.is_empty(), "the line of the cursor is opened");
}

#[test]
fn control_c_ends_it_wherever_one_is() {
    for before in [Char('1'), Char('f'), Char('?'), Char('K')] {
        let mut person = person();
        person.press(before);
        let event = Event::Key(ratatui::crossterm::event::KeyEvent::new(
            KeyCode::Char('c'),
            KeyModifiers::CONTROL,
        ));
        assert_eq!(person.state.input(&event, &person.data), [Effect::Quit]);
    }
}
