"""A receiver of web hooks that keeps what it takes: a line of JSON a request, on disk before it answers.

http_server.py PORT LOG ANSWERS [CERT KEY]

ANSWERS has a line an answer, each taken once: a status, and headers as NAME:VALUE. After them it is 200. "hang" says
nothing for as long as the other side waits, and "die" ends the receiver once it has kept what came. What is not taken, by its status, is not kept.
"""
import http.server, json, os, ssl, sys

port, log, answers = int(sys.argv[1]), sys.argv[2], sys.argv[3]


def next_answer():
    with open(answers) as file:
        lines = file.read().splitlines()
    with open(answers, "w") as file:
        file.write("\n".join(lines[1:]))
    return (lines[0] if lines and lines[0] else "200").split()


class Keeper(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        status, *headers = next_answer()
        if status == "hang":
            self.rfile.read(1)
            return
        if status in ("200", "die"):
            line = {"path": self.path, "headers": {k.lower(): v for k, v in self.headers.items()}, "body": json.loads(body)}
            with open(log, "a") as file:
                file.write(json.dumps(line) + "\n")
                file.flush()
                os.fsync(file.fileno())
        if status == "die":
            os._exit(1)
        # As some servers do: it repeats the path.
        said = f"{status} for POST {self.path} {self.headers['Authorization']}".encode()
        self.send_response(int(status))
        self.send_header("Content-Length", str(len(said)))
        for header in headers:
            self.send_header(*header.split(":", 1))
        self.end_headers()
        self.wfile.write(said)

    do_GET = do_POST

    def log_message(self, *arguments):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Keeper)
if len(sys.argv) > 4:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[4], sys.argv[5])
    server.socket = context.wrap_socket(server.socket, server_side=True)
print("ready", flush=True)
server.serve_forever()
