//! A socket that does not wait for ever for who does not take what it is sent, and that counts what it is given.

use crate::server::byte_budget::{ByteBudget, Held};
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

/// A stream whose writes fail when none of them gets on for a time.
pub(crate) struct PatientSocket<S> {
    stream: S,
    write_stall_max: Duration,
    /// Runs while a write waits.
    stalled: Pin<Box<Sleep>>,
    is_stalled: bool,
}

impl<S> PatientSocket<S> {
    /// Around a stream.
    pub(crate) fn new(stream: S, write_stall_max: Duration) -> Self {
        Self { stream, write_stall_max, stalled: Box::pin(sleep(Duration::ZERO)), is_stalled: false }
    }

    fn patient<T>(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.is_stalled = false;
            return written;
        }
        if !self.is_stalled {
            self.is_stalled = true;
            self.stalled.as_mut().reset(Instant::now() + self.write_stall_max);
        }
        match self.stalled.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for PatientSocket<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for PatientSocket<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.patient(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.patient(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        self.patient(cx, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let closed = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.patient(cx, closed)
    }
}

/// A stream that may give as many bytes as a budget has left: what is below it reads whole messages into memory.
pub(crate) struct MeteredSocket<S> {
    stream: S,
    meter: Meter,
}

/// Bytes that were read and not yet accounted for elsewhere.
#[derive(Clone, Debug)]
pub(crate) struct Meter {
    budget: ByteBudget,
    /// More than a message has, with the heads of its frames: what comes beyond it is no message but noise (pings, say).
    bytes_max: usize,
    read: Arc<Mutex<BytesRead>>,
}

#[derive(Debug, Default)]
struct BytesRead {
    held: Held,
    bytes: usize,
}

/// Bytes that may come besides those of a message.
const OVERHEAD_BYTES_MAX: usize = 256 << 10;

impl Meter {
    /// Counts against a budget what belongs to messages of at most so many bytes.
    pub(crate) fn new(budget: ByteBudget, message_bytes_max: usize) -> Self {
        Self { budget, bytes_max: message_bytes_max.saturating_add(OVERHEAD_BYTES_MAX), read: Arc::default() }
    }

    /// What was read since the last time.
    pub(crate) fn take(&self) -> Held {
        std::mem::take(&mut *self.read.lock().unwrap_or_else(PoisonError::into_inner)).held
    }

    fn add(&self, bytes: usize) -> io::Result<()> {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        read.bytes = read.bytes.saturating_add(bytes);
        match read.bytes <= self.bytes_max && self.budget.take(&mut read.held, bytes) {
            true => Ok(()),
            false => Err(io::ErrorKind::OutOfMemory.into()),
        }
    }
}

impl<S> MeteredSocket<S> {
    /// Around a stream.
    pub(crate) fn new(stream: S, meter: Meter) -> Self {
        Self { stream, meter }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for MeteredSocket<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        if matches!(read, Poll::Ready(Ok(()))) {
            self.meter.add(buf.filled().len().saturating_sub(before))?;
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for MeteredSocket<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
