'use strict';
// The best we know how to do in Node with the same design: hours cached in the process by
// schedule_version, the module's own statements, prepared, one for each request.
const crypto = require('node:crypto');
const fastify = require('fastify');
const pg = require('pg');
const workers = require('./workers');

const BUSY = process.env.SQL_BUSY, BOOK = process.env.SQL_BOOK;
const CALENDAR = `
  SELECT p.id, p.schedule_version, p.time_zone, s.day_of_week, s.slot_duration_minutes AS slot,
         extract(epoch FROM s.start_time)::int AS start, extract(epoch FROM s.end_time)::int AS end
    FROM practitioners p JOIN practitioner_schedules s ON s.practitioner_id = p.id
   WHERE p.id = $1 AND p.active AND s.is_available ORDER BY s.start_time`;
// Instants stay text, "2027-03-03 08:00:00+00" in sessions in UTC: such texts compare as the times
// do, and the driver's own reader of them costs more than all the rest of a request.
pg.types.setTypeParser(pg.types.builtins.TIMESTAMPTZ, text => text);
const utc = ms => new Date(ms).toISOString().slice(0, 19).replace('T', ' ') + '+00';
const HASH_KEY = Buffer.alloc(32, 'a bench, not a secret');

const calendars = new Map(), offsets = new Map(), layouts = new Map();
const labels = [], clocks = [];
for (let m = 0; m < 1440; m++) {
  const two = n => String(n).padStart(2, '0');
  const hour = Math.floor(m / 60);
  labels[m] = `${two(hour % 12 || 12)}:${two(m % 60)} ${hour < 12 ? 'AM' : 'PM'}`;
  clocks[m] = `${two(hour)}:${two(m % 60)}:00`;
}

// Good for zones whose clock does not change during opening hours.
function offsetOf(zone, date) {
  const key = zone + date;
  let found = offsets.get(key);
  if (found === undefined) {
    const noon = new Date(date + 'T12:00:00Z');
    const name = new Intl.DateTimeFormat('en', { timeZone: zone, timeZoneName: 'longOffset' })
      .formatToParts(noon).find(part => part.type === 'timeZoneName').value.slice(3) || '+00:00';
    const minutes = (name[0] === '-' ? -1 : 1) * (Number(name.slice(1, 3)) * 60 + Number(name.slice(4)));
    found = { name, midnight: Date.parse(date + 'T00:00:00Z') - minutes * 60000 };
    offsets.set(key, found);
  }
  return found;
}

workers((pool, port) => {
  async function calendarOf(id, version) {
    let found = calendars.get(id);
    if (!found || (version && found.version !== version)) {
      const { rows } = await pool.query({ name: 'calendar', text: CALENDAR, values: [id] });
      if (!rows.length) return null;
      found = { version: rows[0].schedule_version, zone: rows[0].time_zone, days: [[], [], [], [], [], [], []] };
      for (const row of rows) found.days[row.day_of_week].push(row);
      calendars.set(id, found);
    }
    return found;
  }

  // Days that several practitioners have alike are laid out once.
  function slotsOf(calendar, date) {
    const rules = calendar.days[new Date(date).getUTCDay()];
    const key = `${calendar.zone} ${date} ` + rules.map(r => `${r.start}-${r.end}/${r.slot}`);
    let slots = layouts.get(key);
    if (!slots) {
      if (layouts.size > 10000) layouts.clear();
      layouts.set(key, slots = slotsMake(calendar.zone, rules, date));
    }
    return slots;
  }

  function slotsMake(zone, rules, date) {
    const offset = offsetOf(zone, date), slots = [];
    for (const rule of rules) {
      for (let m = rule.start / 60; m + rule.slot <= rule.end / 60; m += rule.slot) {
        const start = offset.midnight + m * 60000;
        const end = start + rule.slot * 60000, startsAt = `${date}T${clocks[m]}${offset.name}`;
        slots.push({ minute: m, minutes: rule.slot, startsAt, start: utc(start), end: utc(end),
          head: `{"time":"${labels[m]}","available":`,
          tail: `,"startsAt":"${startsAt}","durationMinutes":${rule.slot}}` });
      }
    }
    return slots;
  }

  const app = fastify();

  app.get('/api/practitioners/:id/availability', { schema: {
    params: { type: 'object', properties: { id: { type: 'integer' } } },
    querystring: { type: 'object', required: ['date'],
      properties: { date: { type: 'string', pattern: '^\\d{4}-\\d\\d-\\d\\d$' } } },
  } }, async (req, reply) => {
    const { id } = req.params, { date } = req.query, now = utc(Date.now());
    for (let version; ;) {
      const calendar = await calendarOf(id, version);
      if (!calendar) return reply.code(404).send({ error: 'Not found' });
      const slots = slotsOf(calendar, date);
      const from = slots.length ? slots[0].start : now, to = slots.length ? slots.at(-1).end : now;
      const { rows } = await pool.query({ name: 'busy', rowMode: 'array', text: BUSY,
        values: [id, from, to, now] });
      if (!rows.length) return reply.code(404).send({ error: 'Not found' });
      if (rows[0][1] !== calendar.version) {
        version = rows[0][1];
        continue;
      }
      const busy = rows[0][2] === null ? [] : rows;
      let next = 0, out = `{"practitionerId":${id},"date":"${date}","timeZone":"${calendar.zone}","timeSlots":[`;
      for (let i = 0; i < slots.length; i++) {
        const s = slots[i];
        while (next < busy.length && busy[next][5] <= s.start) next++;
        const taken = next < busy.length && busy[next][4] < s.end;
        out += (i ? ',' : '') + s.head + (s.start >= now && !taken) + s.tail;
      }
      return reply.type('application/json').send(out + ']}');
    }
  });

  app.post('/api/appointments', { schema: { body: { type: 'object',
    required: ['practitionerId', 'date', 'time', 'userEmail', 'userName'], properties: {
      practitionerId: { type: 'integer' }, date: { type: 'string' }, time: { type: 'string' },
      userEmail: { type: 'string' }, userName: { type: 'string' }, sessionType: { type: 'string' } } } },
  }, async (req, reply) => {
    const { practitionerId: id, date, time, userEmail, userName, sessionType } = req.body;
    for (let version; ;) {
      const calendar = await calendarOf(id, version);
      if (!calendar) return reply.code(404).send({ error: 'Not found' });
      const minute = Number(time.slice(0, 2)) * 60 + Number(time.slice(3, 5));
      const wanted = slotsOf(calendar, date).find(s => s.minute === minute);
      if (!wanted || wanted.start < utc(Date.now())) return reply.code(409).send({ error: 'Not a slot' });
      const uid = crypto.randomUUID();
      const hash = crypto.createHmac('sha256', HASH_KEY).update(userEmail).digest('hex');
      const { rows } = await pool.query({ name: 'book', rowMode: 'array', text: BOOK, values: [
        id, calendar.version, null, hash, uid, wanted.start, wanted.end, date,
        clocks[minute], sessionType, 'confirmed', 'journey', Buffer.from(userName),
        Buffer.from(userEmail), null, null, null, 'anonymous', req.id] });
      if (rows.length && rows[0][2]) {
        return reply.code(201).send({ success: true, appointmentId: Number(rows[0][2]),
          bookingId: 'booking_' + uid.replaceAll('-', ''), status: 'confirmed', practitionerId: id,
          date, time: clocks[minute], durationMinutes: wanted.minutes, startsAt: wanted.startsAt,
          timeZone: calendar.zone });
      }
      if (!rows.length || rows[0][0] === calendar.version) {
        return reply.code(409).send({ error: 'That time is no longer free' });
      }
      version = rows[0][0];
    }
  });

  app.listen({ port, host: '127.0.0.1', backlog: 1024 });
});
