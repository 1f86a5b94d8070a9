-- OCSP requests for wrk: POST, SHA-1 CertIDs, each about one certificate, one certificate after the other.
--
--   wrk -t1 -c16 -d10s -s tests/performance/ocsp.lua http://127.0.0.1:8081/ocsp/local -- SERIALS NAME_HASH KEY_HASH [nonce]
--
-- SERIALS is a file with a serial number in hex on each line; NAME_HASH and KEY_HASH are those of the issuer in hex, as
-- `openssl ocsp -issuer ca.pem -serial 1 -req_text` prints them. With `nonce` every request has one of 16 octets, so that
-- each answer is signed for it alone.

local bodies, at, nonces = {}, 0, false

local function unhex(text)
  return (text:gsub("%x%x", function(digits) return string.char(tonumber(digits, 16)) end))
end

local function tlv(tag, content)
  local length = #content
  if length < 128 then
    return string.char(tag, length) .. content
  elseif length < 256 then
    return string.char(tag, 0x81, length) .. content
  end
  return string.char(tag, 0x82, math.floor(length / 256), length % 256) .. content
end

local function list(certificate)
  return tlv(0x30, tlv(0x30, certificate))
end

local function whole(requests, extensions)
  return tlv(0x30, tlv(0x30, requests .. (extensions or "")))
end

local function with_nonce(requests)
  local octets = {}
  for n = 1, 16 do
    octets[n] = string.char(math.random(0, 255))
  end
  local value = tlv(0x04, tlv(0x04, table.concat(octets)))
  local nonce = tlv(0x30, unhex("06092b0601050507300102") .. value)
  return whole(requests, tlv(0xa2, tlv(0x30, nonce)))
end

function init(args)
  local name, key = unhex(args[2]), unhex(args[3])
  nonces = args[4] == "nonce"
  local sha1 = tlv(0x30, unhex("06052b0e03021a0500"))
  for line in io.lines(args[1]) do
    local serial = unhex(line)
    if serial:byte(1) >= 0x80 then
      serial = "\0" .. serial
    end
    local id = tlv(0x30, sha1 .. tlv(0x04, name) .. tlv(0x04, key) .. tlv(0x02, serial))
    bodies[#bodies + 1] = nonces and list(id) or whole(list(id))
  end
  math.randomseed(os.time())
  wrk.method = "POST"
  wrk.headers["Content-Type"] = "application/ocsp-request"
end

function request()
  at = at % #bodies + 1
  local body = nonces and with_nonce(bodies[at]) or bodies[at]
  return wrk.format(nil, nil, nil, body)
end

-- Answers that are errors have five octets.
local short = 0

function response(status, headers, body)
  if status ~= 200 or #body < 100 then
    short = short + 1
    if short == 1 then
      print("an answer that is none: status " .. status .. ", " .. #body .. " octets")
    end
  end
end
