import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isAllowed } from '../src/allow-list.ts';
import { refusalOf } from '../src/network/judge-address.ts';
import { parseAbsolute, parseAuthority } from '../src/network/target.ts';

describe('addresses', () => {
  test.each([
    ['0.0.0.0', 'this network'],
    ['0.1.2.3', 'this network'],
    ['10.255.255.255', 'private'],
    ['100.64.0.1', 'shared (CGNAT)'],
    ['100.127.255.255', 'shared (CGNAT)'],
    ['127.8.8.8', 'loopback'],
    ['168.63.129.16', 'metadata'],
    ['169.254.169.254', 'link-local'],
    ['172.16.0.1', 'private'],
    ['172.31.255.255', 'private'],
    ['192.0.0.170', 'IETF protocol'],
    ['192.168.0.1', 'private'],
    ['192.88.99.1', '6to4 relay'],
    ['198.19.255.255', 'benchmark'],
    ['224.0.0.251', 'multicast'],
    ['239.255.255.255', 'multicast'],
    ['240.0.0.1', 'reserved'],
    ['255.255.255.255', 'reserved'],
    ['::', 'non-global IPv6'],
    ['::1', 'non-global IPv6'],
    ['::ffff:127.0.0.1', 'loopback'],
    ['::ffff:a00:1', 'private'],
    ['::ffff:1.1.1.1', 'non-global IPv6'],
    ['::7f00:1', 'non-global IPv6'],
    ['64:ff9b::a00:1', 'non-global IPv6'],
    ['64:ff9b:1::a00:1', 'non-global IPv6'],
    ['100::1', 'non-global IPv6'],
    ['2001:0:a00:1::', 'protocol (Teredo, ORCHID …)'],
    ['2001:20::1', 'protocol (Teredo, ORCHID …)'],
    ['2002:a00:1::1', '6to4'],
    ['fc00::1', 'non-global IPv6'],
    ['fd00:ec2::254', 'non-global IPv6'],
    ['fe80::1', 'non-global IPv6'],
    ['fec0::1', 'non-global IPv6'],
    ['ff02::1', 'non-global IPv6'],
    ['fe80::1%eth0', 'no plain IP'],
    ['example.com', 'no plain IP'],
    ['', 'no plain IP'],
  ])('%s is refused: %s', (address, name) => {
    expect(refusalOf(address)).toBe(name);
  });

  test.each([
    '1.1.1.1',
    '9.255.255.255',
    '11.0.0.0',
    '100.63.255.255',
    '100.128.0.0',
    '126.255.255.255',
    '128.0.0.0',
    '169.253.255.255',
    '172.15.255.255',
    '172.32.0.0',
    '192.167.255.255',
    '192.169.0.0',
    '203.0.113.10',
    '223.255.255.255',
    '2001:db8::1',
    '2600::1',
    '2a00:1450::1',
  ])('%s is somebody on the internet', (address) => {
    expect(refusalOf(address)).toBeUndefined();
  });

  test('no IPv4 address gets through as part of an IPv6 one', () => {
    const parts = ['::ffff:', '::', '64:ff9b::', '64:ff9b:1::'];
    fc.assert(
      fc.property(fc.ipV4(), fc.constantFrom(...parts), (v4, part) => refusalOf(part + v4) !== undefined),
    );
  });
});

describe('the list', () => {
  const list = ['api.example.com', '*.debian.org', 'git.example.com:22', '*.ports.example:8443'];

  test.each([
    ['api.example.com', 443],
    ['api.example.com', 80],
    ['deb.debian.org', 443],
    ['a.b.debian.org', 80],
    ['git.example.com', 22],
    ['x.ports.example', 8443],
  ])('admits %s port %d', (host, port) => {
    expect(isAllowed(list, { host, port })).toBe(true);
  });

  test.each([
    ['api.example.com', 8443],
    ['api.example.com', 22],
    ['www.api.example.com', 443],
    ['example.com', 443],
    ['debian.org', 443],
    ['evildebian.org', 443],
    ['deb.debian.org.example', 443],
    ['git.example.com', 443],
    ['x.ports.example', 443],
    ['', 443],
  ])('does not admit %s port %d', (host, port) => {
    expect(isAllowed(list, { host, port })).toBe(false);
  });

  test('an empty one admits nothing', () => {
    expect(isAllowed([], { host: 'api.example.com', port: 443 })).toBe(false);
  });
});

describe('targets', () => {
  test.each([
    ['Example.COM:443', { host: 'example.com', port: 443 }],
    ['example.com.:443', { host: 'example.com', port: 443 }],
    ['203.0.113.5:80', { host: '203.0.113.5', port: 80 }],
    ['[2001:DB8:0:0::1]:443', { host: '2001:db8::1', port: 443 }],
    ['[::ffff:10.0.0.1]:443', { host: '::ffff:a00:1', port: 443 }],
    ['_srv.example.com:443', { host: '_srv.example.com', port: 443 }],
  ])('%s', (text, target) => {
    expect(parseAuthority(text)).toEqual(target);
  });

  test.each([
    '',
    'example.com',
    'example.com:',
    ':443',
    'example.com:0',
    'example.com:65536',
    'example.com:0443443',
    'example.com:443 ',
    ' example.com:443',
    'user@example.com:443',
    'example.com:443@other.com:443',
    'example.com/:443',
    'example%2ecom:443',
    'exämple.com:443',
    'example..com:443',
    '.example.com:443',
    '-.example.com:443',
    'example.com\0:443',
    '2130706433:80',
    '0x7f000001:80',
    '0x7f.1:80',
    '127.1:80',
    '0177.0.0.1:80',
    '127.0.0.1.:80x',
    '::1:80',
    '[::1:80',
    '[fe80::1%25eth0]:80',
    '[127.0.0.1]:80',
    `${'a'.repeat(64)}.com:443`,
    `${'a.'.repeat(127)}com:443`,
  ])('%j is none', (text) => {
    expect(parseAuthority(text)).toBeUndefined();
  });

  test.each([
    ['http://example.com', { host: 'example.com', port: 80, path: '/' }],
    ['HTTP://Example.com:8080/a?b=c', { host: 'example.com', port: 8080, path: '/a?b=c' }],
    ['http://example.com?b', { host: 'example.com', port: 80, path: '/?b' }],
  ])('%s', (text, target) => {
    expect(parseAbsolute(text)).toEqual(target);
  });

  test.each([
    'https://example.com/',
    '/path',
    'http://u@example.com/',
    'http://a\\@b/',
    'http://a#@b/',
    'http:///',
    '*',
  ])('%s is none', (text) => {
    expect(parseAbsolute(text)).toBeUndefined();
  });

  test('what is read says the same to the reader of the URL standard', () => {
    fc.assert(
      fc.property(fc.webUrl({ validSchemes: ['http'], withQueryParameters: true }), (text) => {
        const target = parseAbsolute(text);
        const url = new URL(text);
        return !target || (target.host === url.hostname && target.port === Number(url.port || 80));
      }),
    );
  });
});
