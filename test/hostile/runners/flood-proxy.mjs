// Requests that the host's proxy refuses, as many as there is time for: over connections that stay, and over ever new ones.
import { connect } from 'node:net';

const SOCKET = '/run/berth/network/proxy.sock';
const many = 'GET http://elsewhere.example/ HTTP/1.1\r\nHost: elsewhere.example\r\n\r\n'.repeat(200);

for (let i = 0; i < 32; i++) {
  pipeline();
  knock();
}

function pipeline() {
  const client = connect(SOCKET, function more() {
    client.write(many, more);
  });
  client.on('error', () => undefined).once('close', () => setImmediate(pipeline));
  client.resume();
}

function knock() {
  const client = connect(SOCKET, () => client.destroy());
  client.on('error', () => undefined).once('close', () => setImmediate(knock));
}
