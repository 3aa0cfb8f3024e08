# SPDX-License-Identifier: Apache-2.0
"""What an authenticator program shows."""
import base64
import hashlib
import hmac
import time


def code(secret, step):
    """RFC 6238, here again."""
    key = base64.b32decode(secret)
    mac = hmac.new(key, step.to_bytes(8, "big"), hashlib.sha1).digest()
    at = mac[-1] & 15
    return f"{(int.from_bytes(mac[at:at + 4], 'big') & 0x7fffffff) % 1000000:06}"


def now_step():
    return int(time.time()) // 30
