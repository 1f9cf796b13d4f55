"""A mail server that keeps what it takes: a line of JSON a mail, on disk before it says that it took it.

smtp_server.py PORT LOG [tls|starttls CERT KEY] [login USER PASSWORD] [refuse ADDRESS CODE]… [die before|after]
"""
import asyncio, email, email.policy, json, os, ssl, sys
from aiosmtpd.smtp import SMTP, AuthResult

port, log, rest = int(sys.argv[1]), sys.argv[2], sys.argv[3:]
encryption, certificate, login, refused, dies = None, None, None, {}, None
while rest:
    word = rest.pop(0)
    if word in ("tls", "starttls"):
        encryption = word
        certificate = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate.load_cert_chain(rest.pop(0), rest.pop(0))
    elif word == "login":
        login = (rest.pop(0).encode(), rest.pop(0).encode())
    elif word == "refuse":
        address = rest.pop(0)
        refused[address] = rest.pop(0)
    elif word == "die":
        dies = rest.pop(0)


def parts_of(mail):
    for part in mail.walk():
        content = b"" if part.is_multipart() else part.get_payload(decode=True)
        yield {
            "type": part.get_content_type(),
            "disposition": part.get_content_disposition(),
            "id": part["Content-ID"],
            "text": content.decode() if part.get_content_maintype() == "text" else None,
            "beginning": content[:8].hex(),
        }


class Keeper:
    async def handle_RCPT(self, server, session, envelope, address, options):
        if address in refused:
            return f"{refused[address]} {address} is not taken here"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
        line = {
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "encrypted": server.transport.get_extra_info("cipher") is not None,
            "login": bool(session.authenticated),
            "subject": mail["Subject"],
            "message_id": mail["Message-ID"],
            "headers": mail.keys(),
            "parts": list(parts_of(mail)),
        }
        if dies == "before":
            os._exit(1)
        with open(log, "a") as file:
            file.write(json.dumps(line) + "\n")
            file.flush()
            os.fsync(file.fileno())
        if dies == "after":
            os._exit(1)
        return "250 taken"


def check(server, session, envelope, mechanism, data):
    is_right = (data.login, data.password) == login
    # Not handled: the answer is for aiosmtpd to give.
    return AuthResult(success=is_right, handled=is_right, auth_data=data.login)


def session():
    return SMTP(
        Keeper(),
        hostname="mail.test",
        tls_context=certificate if encryption == "starttls" else None,
        require_starttls=encryption == "starttls",
        authenticator=check if login else None,
        auth_required=login is not None,
        auth_require_tls=False,
        auth_exclude_mechanism=(),
    )


async def main():
    context = certificate if encryption == "tls" else None
    server = await asyncio.get_running_loop().create_server(session, "127.0.0.1", port, ssl=context)
    print("ready", flush=True)
    await server.serve_forever()


asyncio.run(main())
