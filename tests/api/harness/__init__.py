"""What the tests stand on: a PostgreSQL cluster, httpd with the module, tokens, a client.

Nothing here uses a fixed port or a fixed path, and nothing ends a process that it did not start.
"""
