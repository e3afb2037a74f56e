//! One TCP connection: smoltcp's socket, alone in a set of its own, and what we remember beside it.
//!
//! Its own set makes everything about it independent of how many others there are. It does not know descriptors.
//!
//! Invariant: `ready` says what a reader or writer would meet; `refresh` restores that after every change.

use alloc::sync::Arc;
use alloc::vec::Vec;

use smoltcp::iface::{Interface, SocketHandle, SocketSet};
use smoltcp::socket::tcp::{Socket, SocketBuffer, State};
use smoltcp::time::Duration;

use super::budget::Budget;
use super::frame::Flow;
use super::ready::{READABLE, Ready, WRITABLE};
use super::settings::Settings;
use crate::fd::PollEvent;
use crate::io;

mod buffers;

/// Buffers at first: a request and a short answer. It is what a SYN promises.
const INITIAL_BYTES: usize = smoltcp::socket::tcp::SYN_WINDOW;
/// 65,535 << 3 covers the largest window.
const WINDOW_SHIFT: u8 = 3;
/// Our own record and smoltcp's socket.
pub(super) const RECORD_BYTES: usize = 2 << 10;

/// How long a stranger may take for the handshake. SYN|ACK is repeated at 1, 3 and 7 s.
const HANDSHAKE_S: u64 = 10;
/// Who says nothing for so long is not waited for at the machine's end. Two repetitions go unanswered in it.
const GONE_US: u64 = 4_000_000;
/// How long we wait for an answer to our SYN.
const CONNECT_S: u64 = 20;

/// Whose a connection is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Owner {
    /// The handshake is under way.
    Embryo { listener: u32 },
    /// Established, waiting for `accept`.
    Queued { listener: u32 },
    /// A descriptor's.
    Socket,
    /// Closed by its descriptor; it ends by itself or at `until` (microseconds since start).
    Orphan { until: u64 },
}

/// Why a connection ended before its time.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Fault {
    Refused,
    Reset,
    TimedOut,
}

impl From<Fault> for io::Error {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Refused => Self::ECONNREFUSED,
            Fault::Reset => Self::ECONNRESET,
            Fault::TimedOut => Self::ETIMEDOUT,
        }
    }
}

/// A connection.
pub(super) struct Connection {
    pub(super) set: SocketSet<'static>,
    handle: SocketHandle,
    pub(super) flow: Flow,
    pub(super) owner: Owner,
    pub(super) ready: Arc<Ready>,
    pub(super) generation: u32,
    /// Whether it waits to be flushed.
    pub(super) is_dirty: bool,
    /// Whether it has something to send though nobody marked it.
    pub(super) wants_flush: bool,
    /// The earliest of its entries among the timers.
    pub(super) armed: u64,
    /// When the peer was last heard, microseconds since start.
    heard: u64,
    /// When the peer last took something of what is sent, or had taken all; and what it had not taken then.
    took: u64,
    untaken: usize,
    saw_reset: bool,
    last_state: State,
    fault: Option<Fault>,
    is_read_shut: bool,
    /// Whether a writer met a full buffer and waits for room.
    is_full: bool,
    /// Whether we began it: it is a stranger's otherwise, whose words may have to wait for memory.
    is_ours: bool,
    /// Whether a reader was told to wait for memory.
    pub(super) is_held: bool,
    /// Until when it may be read however little memory there is, microseconds since start.
    turn_until: u64,
    /// The receive buffer that the peer may reckon with while there is none.
    offered: usize,
    settings: Settings,
}

/// What became of a connection at `refresh`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Verdict {
    Keep,
    /// The handshake is complete: it may be accepted.
    Promote {
        listener: u32,
    },
    /// Nobody needs it any more.
    Remove,
}

impl Connection {
    /// A connection without a state and without buffers yet. `None` if there is no memory for it.
    pub(super) fn new(flow: Flow, owner: Owner, generation: u32, budget: &mut Budget) -> Option<Self> {
        if !budget.take(RECORD_BYTES) {
            return None;
        }
        let mut set = SocketSet::new(Vec::with_capacity(1));
        let handle = set.add(Socket::new(SocketBuffer::new(Vec::new()), SocketBuffer::new(Vec::new())));
        Some(Self {
            set,
            handle,
            flow,
            owner,
            ready: Ready::new(PollEvent::empty()),
            generation,
            is_dirty: false,
            wants_flush: false,
            armed: u64::MAX,
            heard: u64::MAX,
            took: u64::MAX,
            untaken: 0,
            saw_reset: false,
            last_state: State::Closed,
            fault: None,
            is_read_shut: false,
            is_full: false,
            is_ours: matches!(owner, Owner::Socket),
            is_held: false,
            turn_until: 0,
            offered: INITIAL_BYTES,
            settings: Settings::default(),
        })
    }

    /// What it costs, in bytes.
    pub(super) fn cost(&self) -> usize {
        RECORD_BYTES + self.socket_ref().recv_capacity() + self.socket_ref().send_capacity()
    }

    pub(super) fn is_embryo(&self) -> bool {
        matches!(self.owner, Owner::Embryo { .. })
    }

    fn socket_ref(&self) -> &Socket<'static> {
        self.set.get(self.handle)
    }

    /// smoltcp's socket.
    pub(super) fn socket(&mut self) -> &mut Socket<'static> {
        self.set.get_mut(self.handle)
    }

    pub(super) fn state(&self) -> State {
        self.socket_ref().state()
    }

    /// Waits for the SYN that made it.
    pub(super) fn listen(&mut self, local: smoltcp::wire::IpEndpoint) -> bool {
        let socket = self.socket();
        let listens = socket.listen(local).is_ok();
        begin(socket, HANDSHAKE_S);
        self.last_state = State::Listen;
        listens
    }

    /// Sends the SYN.
    pub(super) fn connect(
        &mut self,
        iface: &mut Interface,
        remote: smoltcp::wire::IpEndpoint,
        local: smoltcp::wire::IpEndpoint,
    ) -> io::Result<()> {
        let socket = self.socket();
        socket.connect(iface.context(), remote, local).map_err(|_| io::Error::EADDRNOTAVAIL)?;
        begin(socket, CONNECT_S);
        self.last_state = State::SynSent;
        Ok(())
    }

    /// Remembers that the peer sent something, perhaps a reset. Whether that counts, smoltcp's next state tells.
    pub(super) fn note(&mut self, now: u64, is_reset: bool) {
        self.heard = now;
        self.saw_reset |= is_reset;
    }

    /// Brings `ready`, the fault and the timeouts up to date.
    pub(super) fn refresh(&mut self, now: u64, budget: &mut Budget) -> Verdict {
        let (before, state) = (self.last_state, self.state());
        if state != before {
            self.last_state = state;
            self.on_change(before, state);
        }
        self.saw_reset = false;
        self.watch_progress(now);
        match self.owner {
            Owner::Embryo { listener } => self.judge_embryo(listener, state),
            Owner::Orphan { until } => self.judge_orphan(until, now, state, budget),
            Owner::Queued { .. } | Owner::Socket => {
                if self.is_read_shut {
                    self.discard_received();
                }
                self.is_full &= !self.has_room();
                self.ready.set(self.readiness(state));
                if !budget.is_ample() {
                    self.give_back_unused(budget);
                }
                Verdict::Keep
            }
        }
    }

    fn on_change(&mut self, before: State, state: State) {
        match state {
            State::Established if matches!(before, State::SynSent | State::SynReceived) => {
                self.on_established()
            }
            State::Closed => self.fault = self.cause_of_end(before),
            _ => {}
        }
    }

    fn on_established(&mut self) {
        let settings = self.settings;
        let socket = self.socket();
        socket.set_timeout(Some(Duration::from_millis(settings.silence_ms())));
        socket.set_keep_alive(settings.keep_alive_s().map(Duration::from_secs));
    }

    /// Does from now on as its descriptor was told. Until the handshake is over its own time limits hold.
    pub(super) fn follow(&mut self, settings: Settings) {
        self.settings = settings;
        self.socket().set_nagle_enabled(!settings.is_nodelay);
        if self.is_settled() && self.owner == Owner::Socket {
            self.on_established();
        }
    }

    fn cause_of_end(&self, before: State) -> Option<Fault> {
        match before {
            State::SynSent if self.saw_reset => Some(Fault::Refused),
            _ if self.saw_reset => Some(Fault::Reset),
            State::LastAck | State::Closing | State::TimeWait | State::Closed => None,
            _ => Some(Fault::TimedOut),
        }
    }

    fn judge_embryo(&mut self, listener: u32, state: State) -> Verdict {
        match state {
            State::SynReceived => Verdict::Keep,
            State::Established | State::CloseWait => {
                self.on_established();
                Verdict::Promote { listener }
            }
            _ => Verdict::Remove,
        }
    }

    fn judge_orphan(&mut self, until: u64, now: u64, state: State, budget: &mut Budget) -> Verdict {
        self.discard_received();
        match state {
            State::Closed => Verdict::Remove,
            State::TimeWait => {
                self.give_back_buffers(budget);
                Verdict::Keep
            }
            _ if now >= until => {
                self.socket().abort();
                self.wants_flush = true;
                Verdict::Keep
            }
            _ => Verdict::Keep,
        }
    }

    /// Nobody will read it, but the peer's end of the stream lies behind it.
    fn discard_received(&mut self) {
        while self.socket().can_recv() {
            if self.socket().recv(|bytes| (bytes.len(), ())).is_err() {
                return;
            }
        }
    }

    fn readiness(&self, state: State) -> PollEvent {
        let socket = self.socket_ref();
        if matches!(state, State::SynSent | State::SynReceived | State::Listen) {
            return PollEvent::empty();
        }
        let mut events = PollEvent::empty();
        let is_ended = !socket.may_recv() || self.is_read_shut;
        if is_ended || socket.can_recv() && !self.is_held {
            events |= READABLE;
        }
        if is_ended {
            events |= PollEvent::POLLRDHUP;
        }
        if !socket.may_send() || !self.is_full {
            events |= WRITABLE;
        }
        if is_ended && !socket.may_send() {
            events |= PollEvent::POLLHUP;
        }
        if self.fault.is_some() {
            events |= PollEvent::POLLERR;
        }
        events
    }

    /// A third of the buffer must be free, or a writer would be woken for every acknowledgement.
    fn has_room(&self) -> bool {
        let (queued, capacity) = (self.socket_ref().send_queue(), self.socket_ref().send_capacity());
        (capacity - queued) * 3 >= capacity
    }

    /// Takes the pending fault, as `SO_ERROR` does.
    pub(super) fn take_fault(&mut self) -> Option<io::Error> {
        self.fault.take().map(io::Error::from)
    }

    /// Whether the peer went away and left nothing.
    pub(super) fn is_gone(&self) -> bool {
        self.state() == State::Closed && self.socket_ref().recv_queue() == 0
    }

    /// Whether the handshake is over, well or not.
    pub(super) fn is_settled(&self) -> bool {
        !matches!(self.state(), State::SynSent | State::SynReceived)
    }

    /// Whether its descriptor left it to us to say the rest, and the stranger still reads.
    pub(super) fn has_reader(&self, now: u64) -> bool {
        let is_unsaid = self.socket_ref().send_queue() > 0
            || matches!(self.state(), State::FinWait1 | State::Closing | State::LastAck);
        let is_there = now.saturating_sub(self.heard) < GONE_US;
        matches!(self.owner, Owner::Orphan { .. }) && !self.is_ours && is_unsaid && is_there
    }

    /// Reads what is there. `EAGAIN` if that is nothing; zero at the end of the stream.
    pub(super) fn read(&mut self, bytes: &mut [u8], budget: &mut Budget) -> io::Result<usize> {
        if self.is_read_shut {
            return Ok(0);
        }
        let waiting = self.socket_ref().recv_queue();
        if waiting == 0 {
            return self.nothing_to_read();
        }
        let read = self.socket().recv_slice(bytes).map_err(|_| io::Error::ENOTCONN)?;
        self.widen_window(waiting, budget);
        Ok(read)
    }

    fn nothing_to_read(&mut self) -> io::Result<usize> {
        if let Some(fault) = self.take_fault() {
            return Err(fault);
        }
        match self.state() {
            State::SynSent | State::SynReceived | State::Established | State::FinWait1 | State::FinWait2 => {
                Err(io::Error::EAGAIN)
            }
            _ => Ok(0),
        }
    }

    /// Queues what fits. `EAGAIN` if that is nothing.
    pub(super) fn write(&mut self, bytes: &[u8], budget: &mut Budget) -> io::Result<usize> {
        if let Some(fault) = self.take_fault() {
            return Err(fault);
        }
        if !self.is_settled() {
            return Err(io::Error::EAGAIN);
        }
        if !self.socket_ref().may_send() {
            return Err(io::Error::EPIPE);
        }
        self.make_room(bytes.len(), budget);
        let written = self.socket().send_slice(bytes).map_err(|_| io::Error::EPIPE)?;
        self.is_full = written < bytes.len();
        if self.socket_ref().send_capacity() == 0 {
            // Nothing would ever make room for it.
            return Err(io::Error::ENOBUFS);
        }
        if written == 0 { Err(io::Error::EAGAIN) } else { Ok(written) }
    }

    /// Sends FIN after what is queued.
    pub(super) fn shut_write(&mut self) {
        self.socket().close();
    }

    /// Reads end at once; what arrives is dropped.
    pub(super) fn shut_read(&mut self) {
        self.is_read_shut = true;
        self.discard_received();
    }

    /// Lets it end by itself. A connection that has not begun ends at once.
    pub(super) fn orphan(&mut self, until: u64) {
        self.owner = Owner::Orphan { until };
        self.socket().close();
        self.socket().set_timeout(Some(Duration::from_secs(CONNECT_S)));
    }
}

/// Keep-alive is on from the beginning: switched on later, smoltcp asks the peer at once, who has just answered.
fn begin(socket: &mut Socket<'static>, within_s: u64) {
    socket.set_window_shift(WINDOW_SHIFT);
    socket.set_timeout(Some(Duration::from_secs(within_s)));
    socket.set_keep_alive(Settings::default().keep_alive_s().map(Duration::from_secs));
}
