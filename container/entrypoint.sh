#!/bin/sh
# What every container of a session begins with, whichever runner it runs.

# Keys and certificates that are handed over lie in memory, and in no configuration.
if [ -r /run/berth/handed/keys.sh ]; then
  . /run/berth/handed/keys.sh
fi
# Where the one way out is a socket, programs want it at an address. Our own runner sees to that itself.
if [ -n "$BERTH_PROXY_SOCKET" ]; then
  # By this word Node loads a client at its start, for 60 ms: what opens the way out needs none, and gives it to what it starts.
  if [ "$NODE_USE_ENV_PROXY" = 1 ]; then
    unset NODE_USE_ENV_PROXY
  fi
  if [ "$2" != /opt/berth/runner/main.cjs ]; then
    exec node /opt/berth/runner/forward.cjs "$@"
  fi
fi
exec "$@"
