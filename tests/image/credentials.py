"""What ECS is to a task: `credentials.py FILE` serves the profiles of a credentials file of the AWS CLI.

Prints its port as soon as it answers. A profile's path is its name; whoever asks must send the token that
AWS_CONTAINER_AUTHORIZATION_TOKEN is here.
"""

import configparser
import http.server
import json
import os
import sys

PROFILES = configparser.ConfigParser()
PROFILES.read(sys.argv[1])
TOKEN = os.environ["AWS_CONTAINER_AUTHORIZATION_TOKEN"]


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        name = self.path.strip("/")
        if self.headers["Authorization"] != TOKEN or name not in PROFILES:
            self.send_error(403)
            return
        key = PROFILES[name]
        body = json.dumps(
            {
                "AccessKeyId": key["aws_access_key_id"],
                "SecretAccessKey": key["aws_secret_access_key"],
                "Token": key["aws_session_token"],
                "Expiration": "2099-01-01T00:00:00Z",
            }
        ).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
