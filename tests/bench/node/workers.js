'use strict';
// As many workers as WORKERS says share one port; each has a pool of its own.
const cluster = require('node:cluster');
const { Pool } = require('pg');

module.exports = function workers(serve) {
  if (cluster.isPrimary) {
    for (let i = 0; i < Number(process.env.WORKERS || 2); i++) cluster.fork();
    process.on('SIGTERM', () => process.exit(0));
    return;
  }
  serve(new Pool({
    host: process.env.PG_SOCKET,
    database: process.env.PG_DATABASE,
    user: process.env.PG_USER,
    max: Number(process.env.POOL || 16),
    min: Number(process.env.POOL || 16),
    idleTimeoutMillis: 0,
    options: '-c search_path=booking,public -c timezone=UTC -c plan_cache_mode=force_generic_plan',
  }), Number(process.env.PORT));
};
