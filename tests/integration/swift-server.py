#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""swift-server.py DIR PORT TLSPORT KEY SECRET CERT KEYFILE [ADDRESS] - OpenStack Swift's S3 API on ADDRESS (127.0.0.1): PORT
without TLS and TLSPORT with it, all four servers in this one process, data under DIR. KEY is ACCOUNT:USER. Listings have 4 entries
a page, so that every listing of a test goes over several. BUCKET.localhost is a bucket, too."""
import ctypes, os, sys
from swift.common import utils

ctypes.CDLL(None).prctl(1, 9)  # PR_SET_PDEATHSIG: a test that fails does not leave it behind
D, PORT, TLSPORT, KEY, SECRET, CERT, KEYFILE = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), *sys.argv[4:8]
ADDRESS = sys.argv[8] if len(sys.argv) > 8 else '127.0.0.1'
os.makedirs(D + '/dev/d1', exist_ok=True)
with open(D + '/swift.conf', 'w') as f:
    f.write('[swift-hash]\nswift_hash_path_suffix = test\n')
utils.set_swift_dir(D)
utils.eventlet_monkey_patch()
utils.FALLOCATE_RESERVE = 0
import eventlet, eventlet.wsgi
from swift.common.ring import RingBuilder
from swift.common.wsgi import loadapp, SwiftHttpProtocol
from swift.common.storage_policy import POLICIES  # read here, while swift.conf is the one above

# By default it gives itself half a second to connect to itself, and the container one second to note an object, which then
# is never listed, because nobody here does that later: on a busy machine neither is enough.
PATIENCE = '''conn_timeout = 60
node_timeout = 60
'''
BACK = '''[DEFAULT]
swift_dir = %(D)s
devices = %(D)s/dev
mount_check = false
disable_fallocate = true
recon_cache_path = %(D)s
[pipeline:main]
pipeline = %(n)s-server
[app:%(n)s-server]
use = egg:swift#%(n)s
container_update_timeout = 60
''' + PATIENCE
account, user = KEY.split(':')
FRONT = '''[DEFAULT]
swift_dir = %(D)s
[pipeline:main]
pipeline = catch_errors gatekeeper cache listing_formats s3api tempauth copy slo dlo proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
error_suppression_limit = 1000000
''' + PATIENCE + '''\
[filter:s3api]
use = egg:swift#s3api
location = us-east-1
storage_domain = localhost
max_bucket_listing = 4
[filter:tempauth]
use = egg:swift#tempauth
user_%(account)s_%(user)s = %(SECRET)s .admin
[filter:cache]
use = egg:swift#memcache
memcache_servers = 127.0.0.1:1
'''
for m in 'catch_errors gatekeeper listing_formats copy slo dlo'.split():
    FRONT += '[filter:%s]\nuse = egg:swift#%s\n' % (m, m)

socks = {}
for n in ('object', 'container', 'account'):
    socks[n] = eventlet.listen(('127.0.0.1', 0))
    port = socks[n].getsockname()[1]
    b = RingBuilder(4, 1, 0)
    b.add_dev(dict(region=1, zone=1, ip='127.0.0.1', port=port, device='d1',
                   replication_ip='127.0.0.1', replication_port=port, weight=1, meta=''))
    b.rebalance()
    b.get_ring().save('%s/%s.ring.gz' % (D, n))
socks['proxy'] = eventlet.listen((ADDRESS, PORT))
quiet = open(os.devnull, 'w')
threads = []


def serve(sock, app):
    threads.append(eventlet.spawn(eventlet.wsgi.server, sock, app, log=quiet, protocol=SwiftHttpProtocol, debug=False))


for n, s in socks.items():
    c = '%s/%s.conf' % (D, n)
    with open(c, 'w') as f:
        f.write((FRONT if n == 'proxy' else BACK) % globals())
    app = loadapp(c, global_conf={'log_name': n})
    serve(s, app)
    if n == 'proxy':
        serve(eventlet.wrap_ssl(eventlet.listen((ADDRESS, TLSPORT)), certfile=CERT, keyfile=KEYFILE, server_side=True), app)
sys.stderr = quiet  # each client that refuses the certificate leaves a traceback
for t in threads:
    t.wait()
