// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Requests about apps that are answered at once.

use super::kept::busy;
use super::waiting::OVERHEAD;
use super::world::Apps;
use super::{Core, Outcome, Reply};
use crate::error::{Code, Refusal};
use crate::frame::MAX_MESSAGE;
use crate::message::{AppId, AppInfo, Body, Bytes, Operation, Records, Request, pack};

/// The app, if it is still the one that is meant.
///
/// # Errors
/// Where it is gone.
pub fn find(app: AppId, world: &impl Apps) -> Result<AppInfo<'_>, Refusal> {
    let info = (app.place < world.places()).then(|| world.app(app.place));
    info.flatten().filter(|info| info.id == app).ok_or_else(|| {
        Refusal::new(
            Code::NO_APP,
            &format_args!("there is no app {app} (any more)"),
        )
    })
}

impl<const W: usize, const T: usize> Core<'_, W, T> {
    /// Requests that change nothing.
    pub(super) fn question<'a, World: Apps>(
        &mut self,
        request: Request<'_>,
        world: &'a World,
        scratch: &'a mut [u8; MAX_MESSAGE],
    ) -> Outcome<'a> {
        let room = self.max_message - OVERHEAD;
        match request {
            Request::Apps { from } => Ok(apps(from, world, &mut scratch[..room])),
            Request::History { app, skip } => {
                find(app, world)?;
                Ok(history(app, skip, world, &mut scratch[..room]))
            }
            Request::Report { app } => {
                find(app, world)?;
                let length = world.report(app, scratch)?.min(scratch.len());
                let record = Bytes(&scratch[..length]);
                Ok(Body::Report { app, record })
            }
            Request::Status => Ok(Body::Status {
                status: world.status(),
            }),
            _ => Err(Refusal::new(
                Code::UNSUPPORTED,
                &"this request is not known here",
            )),
        }
    }

    /// Does something with an app, once: a request that comes again is only answered again.
    pub(super) fn command<'a, World: Apps>(
        &mut self,
        client: u64,
        id: u32,
        app: AppId,
        operation: Operation,
        world: &mut World,
    ) -> Reply<'a> {
        if self.kept.again(client, id) {
            return Reply::Later;
        }
        if !self.kept.has_room(client) {
            return Reply::Now(Err(busy()));
        }
        let outcome = find(app, world).map(|_| ());
        let outcome = outcome.and_then(|()| world.command(app, operation));
        self.kept.keep(client, id, outcome.map(|()| None));
        Reply::Later
    }
}

fn apps<'a>(from: u16, world: &impl Apps, buffer: &'a mut [u8]) -> Body<'a> {
    let mut end = 0;
    let mut next = None;
    for place in from..world.places() {
        if let Some(info) = world.app(place)
            && !pack(&info, buffer, &mut end)
        {
            next = Some(place);
            break;
        }
    }
    Body::Apps {
        next,
        apps: Records(&buffer[..end]),
    }
}

fn history<'a>(app: AppId, skip: u32, world: &impl Apps, buffer: &'a mut [u8]) -> Body<'a> {
    let mut end = 0;
    let mut more = false;
    let entries = (skip..=u32::MAX).map_while(|version| world.history(app, version));
    for entry in entries {
        if !pack(&entry, buffer, &mut end) {
            more = true;
            break;
        }
    }
    Body::History {
        entries: Records(&buffer[..end]),
        more,
    }
}
