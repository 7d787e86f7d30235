// SPDX-License-Identifier: Apache-2.0
// npm's janode, told what to call: a line of JSON in, {id, on, call, args};
// one out, {event: "reply", id, value} or {event: "failed", id, message}. What
// janode emits by itself comes out as {event: "emitted", name, data}.
import readline from 'node:readline';
import Janode from 'janode';
import Streaming from 'janode/plugins/streaming';

Janode.Logger.setLevel('none');
const made = { janode: Janode };

function say(event) {
  process.stdout.write(`${JSON.stringify(event)}\n`);
}

function listen(on, source, events) {
  Object.values(events).forEach((name) => {
    source.on(name, (data) => say({
      event: 'emitted', on, name, data: data instanceof Error ? { error: data.message } : data,
    }));
  });
}

// what a call has made is called by its kind's name from then on
async function call({ on, call: name, args }) {
  if (on === 'session' && name === 'attach') {
    made.handle = await made.session.attach(Streaming);
    listen('handle', made.handle, { ...Janode.EVENT, ...Streaming.EVENT });
    return made.handle.id;
  }
  const value = await made[on][name](...args);
  if (on === 'janode') {
    const kind = args[0].is_admin ? 'admin' : 'connection';
    made[kind] = value;
    listen(kind, value, Janode.EVENT);
    return null;
  }
  if (on === 'connection' && name === 'create') {
    made.session = value;
    listen('session', value, Janode.EVENT);
    return value.id;
  }
  return value === undefined ? null : value;
}

const lines = readline.createInterface({ input: process.stdin });
lines.on('line', (line) => {
  const request = JSON.parse(line);
  call(request).then(
    (value) => say({ event: 'reply', id: request.id, value }),
    (error) => say({ event: 'failed', id: request.id, message: error.message }));
});
lines.on('close', () => {
  say({ event: 'end' });
  process.exit(0);
});
