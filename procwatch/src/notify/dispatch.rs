//! The thread that sends: a task a notifier, so that one that hangs delays no other.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tokio::{
    sync::{Notify, mpsc},
    task::{JoinSet, LocalSet},
};

use super::{channel::Notifier, desk::Desk, lane::Due};
use crate::model::{
    alert::Alert,
    delivery::{Health, Outbox, OutboxError},
};

/// Alerts on their way to the thread.
const ALERTS_MAX: usize = 1024;

/// How long a change of notifiers waits for what is on its way.
const CHANGE_PATIENCE: Duration = Duration::from_secs(5);

/// Who is told, and how.
#[derive(Clone, Debug)]
pub struct Plan {
    pub notifiers: Vec<Notifier>,
    /// How long an alert waits for others that go with it.
    pub group_wait: Duration,
    /// This host's name.
    pub host: String,
}

/// Why nobody is told of anything.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("the thread that sends alerts: {0}")]
    Thread(#[from] std::io::Error),
    #[error("what waits to be sent cannot be read: {0}")]
    Outbox(#[from] OutboxError),
}

/// What the thread is to do.
#[derive(Debug)]
enum Order {
    Tell(Box<Alert>),
    Change(Plan),
}

/// The thread's handle.
#[derive(Debug)]
pub struct Notifying {
    orders: mpsc::Sender<Order>,
    /// Alerts that found no room on their way to the thread.
    lost: AtomicU64,
    health: Arc<Mutex<Vec<Health>>>,
    patience_ms: Arc<AtomicU64>,
    thread: JoinHandle<()>,
}

impl Notifying {
    /// Goes on with what waits in the outbox, which is closed when the thread ends. The thread begins with `confine`:
    /// to give up what it does not need.
    ///
    /// # Errors
    /// When there can be no thread, or the outbox cannot be read.
    pub fn start(
        plan: Plan,
        outbox: Box<dyn Outbox>,
        confine: Box<dyn FnOnce() + Send>,
    ) -> Result<Self, StartError> {
        let desk = Desk::open(plan.host, outbox, &plan.notifiers, plan.group_wait)?;
        let health = Arc::new(Mutex::new(desk.health()));
        let patience_ms = Arc::default();
        let (orders, ordered) = mpsc::channel(ALERTS_MAX);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let (shown, patience) = (Arc::clone(&health), Arc::clone(&patience_ms));
        let thread = std::thread::Builder::new()
            .name("notify".to_owned())
            .spawn(move || {
                confine();
                let work = work(desk, plan.notifiers, ordered, shown, &patience);
                LocalSet::new().block_on(&runtime, work);
                // A look-up of a name that hangs is nobody's to wait for.
                runtime.shutdown_background();
            })?;
        Ok(Self {
            orders,
            lost: AtomicU64::new(0),
            health,
            patience_ms,
            thread,
        })
    }

    /// Hands over an alert that fires or is resolved, without waiting.
    pub fn tell(&self, alert: Alert) {
        if self.orders.try_send(Order::Tell(Box::new(alert))).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Other notifiers from now on. What waits for those of the same name goes on waiting; what is on its way is waited
    /// for a while.
    ///
    /// # Errors
    /// When the thread is too busy to hear of it, or is gone.
    pub fn change(&self, plan: Plan) -> Result<(), std::io::Error> {
        let order = Order::Change(plan);
        let sent = self.orders.try_send(order);
        sent.map_err(|_| std::io::Error::other("the thread that sends alerts does not answer"))
    }

    /// How each notifier is doing.
    pub fn health(&self) -> Vec<Health> {
        let mut health = self
            .health
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        for one in &mut health {
            one.tally.dropped += self.lost.load(Ordering::Relaxed);
        }
        health
    }

    /// Sends what can be sent at once, for so long at most, and ends the thread. What then still waits is in the
    /// outbox.
    pub fn finish(self, patience: Duration) -> Vec<Health> {
        let patience_ms = u64::try_from(patience.as_millis()).unwrap_or(u64::MAX);
        self.patience_ms.store(patience_ms, Ordering::Relaxed);
        let Self {
            orders,
            health,
            thread,
            lost,
            ..
        } = self;
        drop(orders);
        // A panic there has been told by its thread.
        let _ = thread.join();
        let mut health = health
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        for one in &mut health {
            one.tally.dropped += lost.load(Ordering::Relaxed);
        }
        health
    }
}

/// What the tasks share.
struct Shared {
    desk: RefCell<Desk>,
    health: Arc<Mutex<Vec<Health>>>,
    is_ending: Cell<bool>,
    /// Nothing is begun while it is set.
    is_pausing: Cell<bool>,
    woken: Notify,
}

impl Shared {
    fn show(&self) {
        let health = self.desk.borrow().health();
        *self.health.lock().unwrap_or_else(PoisonError::into_inner) = health;
    }
}

async fn work(
    desk: Desk,
    notifiers: Vec<Notifier>,
    mut ordered: mpsc::Receiver<Order>,
    health: Arc<Mutex<Vec<Health>>>,
    patience_ms: &AtomicU64,
) {
    let shared = Rc::new(Shared {
        desk: RefCell::new(desk),
        health,
        is_ending: Cell::new(false),
        is_pausing: Cell::new(false),
        woken: Notify::new(),
    });
    let mut tasks = JoinSet::new();
    let mut current = notifiers;
    begin(&mut tasks, current.clone(), &shared);
    while let Some(order) = ordered.recv().await {
        match order {
            Order::Tell(alert) => shared.desk.borrow_mut().post(*alert, now_ns()),
            Order::Change(plan) => {
                shared.is_pausing.set(true);
                shared.woken.notify_waiters();
                let all = async { while tasks.join_next().await.is_some() {} };
                let _ = tokio::time::timeout(CHANGE_PATIENCE, all).await;
                // What is broken off is sent again, under the same key.
                tasks.shutdown().await;
                shared.is_pausing.set(false);
                let changed = shared
                    .desk
                    .borrow_mut()
                    .set(&plan.notifiers, plan.group_wait);
                match changed {
                    Ok(()) => current = plan.notifiers,
                    Err(error) => shared.desk.borrow_mut().complain(&error),
                }
                begin(&mut tasks, current.clone(), &shared);
            }
        }
        shared.show();
        shared.woken.notify_waiters();
    }
    shared.is_ending.set(true);
    shared.woken.notify_waiters();
    let patience = Duration::from_millis(patience_ms.load(Ordering::Relaxed));
    let all = async { while tasks.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(patience, all).await;
    tasks.shutdown().await;
    shared.show();
}

fn begin(tasks: &mut JoinSet<()>, notifiers: Vec<Notifier>, shared: &Rc<Shared>) {
    for (index, notifier) in notifiers.into_iter().enumerate() {
        tasks.spawn_local(serve(index, notifier, Rc::clone(shared)));
    }
}

/// Sends one notifier's messages, one after the other.
async fn serve(index: usize, notifier: Notifier, shared: Rc<Shared>) {
    while !shared.is_pausing.get() {
        let now = now_ns();
        let due = shared.desk.borrow().due(index, now, shared.is_ending.get());
        match due {
            Due::Now => {
                let Some(letter) = shared.desk.borrow_mut().take(index, now) else {
                    continue;
                };
                let result = notifier.deliver(&letter).await;
                shared.desk.borrow_mut().delivered(index, now_ns(), result);
                shared.show();
            }
            Due::At(_) | Due::Never if shared.is_ending.get() => return,
            Due::At(at) => {
                tokio::select! {
                    () = tokio::time::sleep(Duration::from_nanos(at.saturating_sub(now))) => {}
                    () = shared.woken.notified() => {}
                }
            }
            Due::Never => shared.woken.notified().await,
        }
    }
}

fn now_ns() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
