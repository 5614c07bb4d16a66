"""The AWS CLI without its start: `quick_aws.py SOCKET` forks itself for each call of the program that `install` writes.

Runs with the Python of the CLI. A script that makes a hundred calls takes seconds with it, and minutes without.
"""

import functools
import json
import os
import signal
import socket
import sys

# Their models are read once.
SERVICES = ("cloudformation", "ec2", "iam", "kms", "organizations", "rds", "s3", "sts")
# Hands over its own arguments, folder, environment and streams; ends as the call does.
CLIENT = """#!{python} -IS
import json, os, socket, sys
peer = socket.socket(socket.AF_UNIX)
peer.connect({path!r})
asked = json.dumps([sys.argv[1:], os.getcwd(), dict(os.environ)]).encode()
socket.send_fds(peer, [len(asked).to_bytes(4, "big")], [0, 1, 2])
peer.sendall(asked)
sys.exit(int(peer.recv(16) or b"255"))
"""


def install(program, path):
    program.write_text(CLIENT.format(python=sys.executable, path=str(path)))
    program.chmod(0o755)


def main():
    from awscli.clidriver import create_clidriver
    from botocore.loaders import JSONFileLoader, Loader

    load = JSONFileLoader.load_file
    kept = functools.cache(lambda path: load(JSONFileLoader(), path))
    JSONFileLoader.load_file = lambda _, path: kept(path)
    listing = Loader.list_available_services
    listed = functools.cache(lambda kind: listing(create_clidriver().session.get_component("data_loader"), kind))
    loader = create_clidriver().session.get_component("data_loader")
    for service in SERVICES:
        for kind in ("service-2", "paginators-1"):
            loader.load_service_model(service, kind)
            listed(kind)
    Loader.list_available_services = lambda _, type_name: listed(type_name)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(sys.argv[1])
    listener.listen(64)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    print("ready", flush=True)
    while True:
        peer, _ = listener.accept()
        if os.fork() == 0:
            _serve(create_clidriver, peer)
        peer.close()


def _serve(create_driver, peer):
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    head, streams, *_ = socket.recv_fds(peer, 4, 3)
    length = int.from_bytes(head, "big")
    body = b""
    while len(body) < length:
        body += peer.recv(length - len(body))
    arguments, folder, environment = json.loads(body)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
    os.chdir(folder)
    # Where it finds its own descriptions, which it notes in its environment at its start.
    own = os.environ["AWS_DATA_PATH"]
    os.environ.clear()
    os.environ.update(environment, AWS_DATA_PATH=own)
    status = 255
    try:
        status = create_driver().main(arguments)
    except SystemExit as ended:
        status = ended.code
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        peer.sendall(str(status).encode())
        os._exit(0)


if __name__ == "__main__":
    main()
