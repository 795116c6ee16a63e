'use strict';
// The handler that the published guide of the journey API prints, with Express and pg where it has
// supabase-js: the same two queries, the same logic. One thing is added in its favour: the range of
// starts_at, without which no index of ours serves its second query.
const express = require('express');
const workers = require('./workers');

const ZONE = 'Europe/Berlin';

workers((pool, port) => {
  const app = express();

  app.get('/api/practitioners/:practitionerId/availability', async (req, res) => {
    const { practitionerId } = req.params;
    const date = req.query.date;

    if (!practitionerId || !date) {
      return res.status(400).json({ error: 'Missing practitioner ID or date' });
    }

    try {
      const { rows: schedule } = await pool.query(
        'SELECT * FROM practitioner_schedules WHERE practitioner_id = $1 AND day_of_week = $2',
        [practitionerId, new Date(date).getDay()]);

      const { rows: appointments } = await pool.query(
        `SELECT time FROM appointments
          WHERE practitioner_id = $1 AND date = $2 AND status = 'confirmed'
            AND starts_at >= $2::date::timestamp AT TIME ZONE '${ZONE}'
            AND starts_at < ($2::date + 1)::timestamp AT TIME ZONE '${ZONE}'`,
        [practitionerId, date]);

      const timeSlots = [];

      if (schedule && schedule.length > 0) {
        const { start_time, end_time, slot_duration_minutes } = schedule[0];
        const startMinutes = convertTimeToMinutes(start_time);
        const endMinutes = convertTimeToMinutes(end_time);

        for (let mins = startMinutes; mins < endMinutes; mins += slot_duration_minutes) {
          const time = convertMinutesToTime(mins);
          const slotEndMins = mins + slot_duration_minutes;
          const isBooked = appointments.some(appt => {
            const apptMins = convertTimeToMinutes(appt.time);
            return apptMins >= mins && apptMins < slotEndMins;
          });
          timeSlots.push({ time, available: !isBooked });
        }
      }

      return res.status(200).json({ practitionerId, date, timeSlots });
    } catch (error) {
      console.error('Error fetching practitioner availability:', error);
      return res.status(500).json({ error: 'Failed to fetch availability' });
    }
  });

  // The guide has no code for booking. This is what one writes first: look, then insert.
  app.post('/api/appointments', express.json(), async (req, res) => {
    const { practitionerId, date, time, sessionType } = req.body;

    if (!practitionerId || !date || !time) {
      return res.status(400).json({ error: 'Missing required fields' });
    }
    try {
      const { rows: taken } = await pool.query(
        `SELECT id FROM appointments
          WHERE practitioner_id = $1 AND status = 'confirmed'
            AND starts_at = ($2::date + $3::time) AT TIME ZONE '${ZONE}'`,
        [practitionerId, date, time]);
      if (taken.length > 0) {
        return res.status(409).json({ error: 'Time slot is no longer available' });
      }
      const { rows } = await pool.query(
        `INSERT INTO appointments (practitioner_id, date, time, session_type, status, notes, user_id,
                starts_at, ends_at, blocked_from, blocked_until)
         SELECT $1, $2::date, $3::time, $4, 'confirmed', $5, $6, at, at + interval '30 minutes', at,
                at + interval '30 minutes'
           FROM (SELECT ($2::date + $3::time) AT TIME ZONE '${ZONE}' AS at) s
         RETURNING id`,
        // The published table has a user of every row (NOT NULL); a guest's is the address.
        [practitionerId, date, time, sessionType, req.body.notes,
          req.body.userId ?? req.body.userEmail]);
      return res.status(201).json({
        success: true, appointmentId: rows[0].id, status: 'confirmed', practitionerId, date, time,
      });
    } catch (error) {
      if (error.code === '23P01') {
        return res.status(409).json({ error: 'Time slot is no longer available' });
      }
      console.error('Error creating appointment:', error);
      return res.status(500).json({ error: 'Failed to book' });
    }
  });

  app.listen(port, '127.0.0.1', 1024);
});

function convertTimeToMinutes(time) {
  const [hours, minutes] = time.split(':').map(Number);
  return hours * 60 + minutes;
}

function convertMinutesToTime(totalMinutes) {
  const hours = Math.floor(totalMinutes / 60);
  const minutes = totalMinutes % 60;
  const period = hours >= 12 ? 'PM' : 'AM';
  const displayHours = hours > 12 ? hours - 12 : hours === 0 ? 12 : hours;
  return `${displayHours}:${minutes.toString().padStart(2, '0')} ${period}`;
}
