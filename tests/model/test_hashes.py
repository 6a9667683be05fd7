"""annexshell.model.hashes against keys and decisions of git-annex 10.20261026, recorded and live."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annexshell.model.hashes import HASHES, computable, hasher_for, is_secure, matches
from annexshell.model.key import Key, parse_key

PACKAGES = {b"SKEIN256": "skein", b"SKEIN512": "skein", b"BLAKE3_256": "blake3", b"XXH3": "xxhash"}
NEVER = b"BLAKE2SP224"
COMPUTABLE = [variety for variety in HASHES if variety != NEVER]
SIZES = (
    0,
    1,
    63,
    64,
    65,
    127,
    128,
    129,
    255,
    256,
    257,
    511,
    512,
    513,
    1000,
    1023,
    1024,
    1025,
    5000,
    100_000,
    2**20 + 1,
)

# What `git annex calckey` prints for content(size).
RECORDED = """
MD5-s0--d41d8cd98f00b204e9800998ecf8427e
MD5-s257--6b968034f073ffa5e51bc78f2594d478
MD5-s5000--7e60d2c284c0cb177fe72ad7a33fb3f9
SHA1-s0--da39a3ee5e6b4b0d3255bfef95601890afd80709
SHA1-s257--0c162b56c81cbe1b7bdbe38023180b8a37425ff5
SHA1-s5000--34ea2dea3fd4780d6c8ecadd9ef6840f797e7369
SHA224-s0--d14a028c2a3a2bc9476102bb288234c415a2b01f828ea62ac5b3e42f
SHA224-s257--ce0c6d71a30101a3a05539d94f2aebe8c3e9f849d0007499dc187638
SHA224-s5000--42556fac1c935953da1ddb4e6578b6d25a9e2855e806d86b33532eac
SHA256-s0--e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
SHA256-s64--292be91abe8c0909fe3d26575af5755eee74d23816dc68c3ba41765136967654
SHA256-s257--52792431d563757afbdbdcaf698434b121248f39e88a9df8b71c4714d212253e
SHA256-s5000--08026c57be31084b60ded63e3101c86365be4d84b87b43bad97b3feb8152e20f
SHA256-s1048577--50068d46eb4d17660d829800fa2d52624de6cd1dab0dd5735e5b8c496b822152
SHA384-s0--38b060a751ac96384cd9327eb1b1e36a21fdb71114be07434c0cc7bf63f6e1da274edebfe76f65fbd51ad2f14898b95b
SHA384-s257--84bedf70b77884d869593bc981153cf74532b563f86feb5241d749dbdc1fdf9fcd0db9a5d6ad0094473d4685f268e46f
SHA384-s5000--50ebbfb7ce64856237f2a627b8b03202888313852f42f3f4faa244b8565b785ffda7eba1e3d7a5d7aa233fa9462d89eb
SHA512-s0--cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e
SHA512-s257--d4d3d3079c871d1dcba3ccf8def5071ff86c637ac756eb3b598efd2fa753d8a314d6fa1c32fa9ad9fd39adfa1fbc62f547f531be67f323aac78ac4b1a91784b6
SHA512-s5000--4cb6723a98c8c7910c8b9db8abf0c3f9fb112502251100013f41e61309b68b5319bcb1ddc4ac0e2e5676468734a060281dd5ef0e7190857adaf005b3522cb5d5
SHA3_224-s0--6b4e03423667dbb73b6e15454f0eb1abd4597f9a1b078e3f5b5a6bc7
SHA3_224-s257--3b27823504af5b2ac0c922d377753f238184657cfe2f386b2198d31e
SHA3_224-s5000--5498a22e2bc3f3dfc3b8dd8e59073b5714b7e670a591130d309de454
SHA3_256-s0--a7ffc6f8bf1ed76651c14756a061d662f580ff4de43b49fa82d80a4b80f8434a
SHA3_256-s257--455fe1029c226ea96ade41487818e8264a7f6f413e63130941d6d8f8f987ed72
SHA3_256-s5000--dc0e2019e4d541af8ca0b3c558e99cb2160ff1c4bc11c25fbd136fbc090feb15
SHA3_384-s0--0c63a75b845e4f7d01107d852e4c2485c51a50aaaa94fc61995e71bbee983a2ac3713831264adb47fb6bd1e058d5f004
SHA3_384-s257--e2fb9ecadde986af89c182dfccdc8c8da73bbe644c0de6d3e89f865f113851583f92c152cf9d127e0df9e807aa39bc96
SHA3_384-s5000--27ceba47b6ffefb0f2fd099aa62b2ede51273958db63ea7ca404dfed75ee5b3e026ad4a847a331a0e943a74ef0ba65d2
SHA3_512-s0--a69f73cca23a9ac5c8b567dc185a756e97c982164fe25859e0d1dcc1475c80a615b2123af1f5f94c11e3e9402c3ac558f500199d95b6d3e301758586281dcd26
SHA3_512-s257--49fcfde49391f59d8404391fa3fa4aec1146228e6d1236ea381f5ba9e0c70c677f39c10980be48f35bebe70ddb25004777c1e2f9e7feca2f422f1f203a34a5a0
SHA3_512-s5000--c12425df67708b773e1745bde72f74a27a87ad05ad61e3cbf7d16aab26dd05c6fa6f3d8f5a0049e9a3421750e73f379f80b02973839077f5230a535059567111
BLAKE2B160-s0--3345524abf6bbe1809449224b5972c41790b6cf2
BLAKE2B160-s257--75742d0112c8aa775829410f275c47274a6d725f
BLAKE2B160-s5000--4f493714d63b347e479f52f41392be5a8781db2c
BLAKE2B224-s0--836cc68931c2e4e3e838602eca1902591d216837bafddfe6f0c8cb07
BLAKE2B224-s257--44cc307996f96a927f89db0dff7d536e22a771dadd44aa46dc2d1ca0
BLAKE2B224-s5000--6244c29b243b53a4a3f8ffc130dc513ae5f210409c347129e957183c
BLAKE2B256-s0--0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8
BLAKE2B256-s257--4ad285edc2490602fd02d61df8008d95887039bade83dae8a1e207ae1cac33ac
BLAKE2B256-s5000--aec1589cf5997762006363e3cbd6c5f610474479c79e6f39918b6401dc33f691
BLAKE2B384-s0--b32811423377f52d7862286ee1a72ee540524380fda1724a6f25d7978c6fd3244a6caf0498812673c5e05ef583825100
BLAKE2B384-s257--557372d7457e5200cc0af3cf3c0edb28631715dfb07a9c18df247de759f24062b7f058a3713649cf24aeae0f1db4cf38
BLAKE2B384-s5000--19ed698100a9df68cc6221e32002672cce35faddb8859635051f56b4f8d616a786b743cf04348339db362d0e5866f76c
BLAKE2B512-s0--786a02f742015903c6c6fd852552d272912f4740e15847618a86e217f71f5419d25e1031afee585313896444934eb04b903a685b1448b755d56f701afe9be2ce
BLAKE2B512-s257--a909eb307c09fc5b0b774c366bb6466b59d49ad9ed88787afdfe9bbe3c65fdabbd9d591b2cec2cf94279db256e5324d51c5c04e42e4a89fa9e20b71e2f383c3e
BLAKE2B512-s5000--227b6429527e22271e0a8f9a3d836818c41afe084eaf86e8316c1c23887e954b1bd47d8bd17847a297089a1681b3880de71328c98d6dc67dcc911965c4975495
BLAKE2S160-s0--354c9c33f735962418bdacb9479873429c34916f
BLAKE2S160-s257--5fce5e5dfcd8185753c04905ba056e37c684ea89
BLAKE2S160-s5000--80322cc9f5d84c94c3eb3056664aeeb8d99a5086
BLAKE2S224-s0--1fa1291e65248b37b3433475b2a0dd63d54a11ecc4e3e034e7bc1ef4
BLAKE2S224-s257--3531fa553e3a395c52bafe8efc7c6bd60974f05377ba9b9e8e0d9438
BLAKE2S224-s5000--977e14ee29747c722663b9797370bdafad8f9f003a6f8c1463cf58e1
BLAKE2S256-s0--69217a3079908094e11121d042354a7c1f55b6482ca1a51e1b250dfd1ed0eef9
BLAKE2S256-s257--9c72d9bdda0707bed0c6f9a117705a23fcb64115292d0f830920ce24549d249c
BLAKE2S256-s5000--077773acef5b3d6dda1728ed3d010b2785ae013756048ab0ea050beff799ddd7
BLAKE2BP512-s0--b5ef811a8038f70b628fa8b294daae7492b1ebe343a80eaabbf1f6ae664dd67b9d90b0120791eab81dc96985f28849f6a305186a85501b405114bfa678df9380
BLAKE2BP512-s1--a139280e72757b723e6473d5be59f36e9d50fc5cd7d4585cbc09804895a36c521242fb2789f85cb9e35491f31d4a6952f9d8e097aef94fa1ca0b12525721f03d
BLAKE2BP512-s64--a22a00c7d1c18aca0f19c7a653211795a5c123932c5765ada2a2ed4d017b4f456653d999ae2d10b6a600342feb436ac807c05bb29234fac68a47f6c9b7884be7
BLAKE2BP512-s128--6cb23104f2c74a7f0ac2d845ff061507139a9cdf7728e360243e0d17ecddca897d6bef4949b6cff3ff84394eceaf255a41a73076622493798f6689566b80c6be
BLAKE2BP512-s129--d64472f7fdfad98114123914efbbba5d895d1a2227c885817a903e7170199e9956736b6fd7c8c5e1abd39113e50d448c320a2c2817e88bfe221d37028d288f28
BLAKE2BP512-s512--8976dd7593bf03dce07d9d967c55ac4143eb61208c0ec389ff96fa4bbbe704cb4d699c1e1c836348bd0f0ac33ad5097549118de65f6191507bfac7363988f1d8
BLAKE2BP512-s513--9e2a68ba8df808f3809ddc8091351a3edd564a07f3ef5d9f8c98fcbaa3b07c770e14c5ed53e90ce1bc6c9e9fc92ae3c428a78edb7b26519607ed05461b5006f7
BLAKE2BP512-s1024--04bda9fb1ccd7f05fcd99f08d5e6d90ee142e12c0a367b568eb176339eb46e6c75154980caf81c9fb683879759dab42dcdcebf05bdca48c2874d61f2531b529e
BLAKE2BP512-s1025--916ea854b6b0571f9f23f6794cb99f04eb19f89e0dd829bcb0a1fbf21c80607f024bcaa0453f2562a7a83bb07d07343ebbafade77ddee821b82a4cd63f858880
BLAKE2BP512-s5000--c2f83b5af45935a81501352f4ae27e0af81dad4e627b6c5ae1858a4ef69f1a8d747fba8e49a79470e4564ab97adaf72e33c9d52c23eb039efe9e4476f6274c25
BLAKE2BP512-s100000--8950b624ead9d49938935e0d6e19fb98afad511458880999f20982b341c5a5da78d64263b5372fab0fecbcd5a84218f96be1828f357a5789696b663ef9db7def
BLAKE2BP512-s1048577--3304a176ec53b676877d4f52e40c76d2ed366699891ffa84798665f19f54267a990abf64950169f13d0dcf0833b04c7fa4dde2a2e8132c710d897595153dd91c
BLAKE2SP256-s0--dd0e891776933f43c7d032b08a917e25741f8aa9a12c12e1cac8801500f2ca4f
BLAKE2SP256-s1--a6b9eecc25227ad788c99d3f236debc8da408849e9a5178978727a81457f7239
BLAKE2SP256-s64--abf2e6824141efa3084fdd6ce35bc4b15a9f95ef5682db6af90d13d2ae325999
BLAKE2SP256-s128--165793b03764f358ee2a80dba154ae84216534de9a2ea4b5b3ffc29403fa34fa
BLAKE2SP256-s129--7febac5f8e12cbbabd63d660f7235fd75c767cce21bf76ee42aceae4d056bb92
BLAKE2SP256-s512--c32ac442faff0839e3b3af097f32402369128bb1e7fd4693e70ba005a47f2671
BLAKE2SP256-s513--1d3db904a49b65b152d8fd3cd3b79630be08e602afbdf52c21ef37fd0a4fc760
BLAKE2SP256-s1024--fda510e27ac76a633fe2d30c704e8e3513300afb67eeed3c44cc121c367f0e2d
BLAKE2SP256-s1025--e1d37188b6b79faacb5022f525848c42cc554dfc29c24f1e89575b0e10defee7
BLAKE2SP256-s5000--9600ea3a4d2f297726558ffb31285dfd8b98c1503a3e736be91990bc53a6ead0
BLAKE2SP256-s100000--01416c55a96c4a38a78d58a966fbc2a4106667e7fc8407bc174aedcbd384e699
BLAKE2SP256-s1048577--b0718fefe35a619611bff1160930cd4b5f65775293cc7e9d842ba0728bd14c55
SKEIN256-s0--c8877087da56e072870daa843f176e9453115929094c3a40c463a196c29bf7ba
SKEIN256-s64--ec51151eca2fd5146aaa55fae6c34bb07421dcfd72bfdec35ac81b11bf9727e9
SKEIN256-s257--e6aefe43752db2a136bdb1b7e5d79e6647a5b7d9a1743da93618845cadfd564c
SKEIN256-s5000--b5222984d3b5a1c4b05aba9d3007eee7bd0454fff93ac9e421b8d40f32369b28
SKEIN256-s1048577--b77aa6515f3b58b7c1a95c6ad49bb5570b605408a371575c029a4b544ad85117
SKEIN512-s0--bc5b4c50925519c290cc634277ae3d6257212395cba733bbad37a4af0fa06af41fca7903d06564fea7a2d3730dbdb80c1f85562dfcc070334ea4d1d9e72cba7a
SKEIN512-s64--0a91ff4cba0bd66049514dd0e8aecdfe6e131e67b91f7373e30bf730318a90dbbd295013e40297b631d1674a2c0bedd0e9a3259cdaa5d38d93ada15b19f1a026
SKEIN512-s257--6fdddb8c60da04e4d2e8ddeac6e99c4a86817722df9de40598bc4fe89cd0fc5bdf2e6d11a189a5697a1ad6c7267e4d456777d6e3ff05c70744e4672237380c3a
SKEIN512-s5000--f361cce6f7aa65a05bbae5e282065a9cd49e65676c177bc4cca5c83a1d19ec6a0b1cb555a747381d66eaa02ffcced4397fd8d10db677fd78290462e858b8cbf5
SKEIN512-s1048577--cc76ab9b2e2fe15d2fcf3cb8918cdbbf62da86cfbe317f817be292a7833f47606539efb00e40f35c0c20df54a2480ef4099832f55cd61545750c1ce7a97d6e21
BLAKE3_256-s0--af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262
BLAKE3_256-s64--634b00d100fd9de62f479cdd2a4b2c3dfc9c5f98bc4b2005d27bb4eeb2aaf5d8
BLAKE3_256-s257--4e36d3fb0c5abb814bf8e03150dc56e492769aa1343842c4a708d7e1c23b897e
BLAKE3_256-s5000--7784cd98429d397eb64c7520bf62724a99496fb6efc294787c3f51a0307a1537
BLAKE3_256-s1048577--0312c2f6b83f4d0c5d2a2290771d21a5016cc5c55cf6d0a994c94cb0d2c00c76
XXH3-s0--2d06800538d394c2
XXH3-s64--faecd52effbb854f
XXH3-s257--412fa6b97a7575ac
XXH3-s5000--ce29a19460ee1bfc
XXH3-s1048577--73bdb90cf31e71a2
"""


def content(size: int) -> bytes:
    return (bytes(i * 7 % 251 for i in range(251)) * (size // 251 + 1))[:size]


def need_package(variety: bytes) -> None:
    package = PACKAGES.get(variety.removesuffix(b"E"))
    if package is not None:
        pytest.importorskip(package)


def accepts(key: Key, data: bytes, equivalents: tuple[Key, ...] = ()) -> bool:
    hasher = hasher_for(key, equivalents)
    if hasher is not None:
        hasher.update(data)
    return matches(key, hasher, len(data))


def keys_of(text: str) -> list[bytes]:
    return text.encode().split()


@pytest.mark.parametrize("text", keys_of(RECORDED), ids=lambda text: text.partition(b"--")[0].decode())
def test_recorded_keys(text: bytes) -> None:
    key = parse_key(text)
    need_package(key.variety)
    data = content(key.size or 0)
    assert computable(key.variety)
    assert accepts(key, data)
    assert not accepts(key, data + b"x")
    with_extension = Key(key.variety + b"E", key.name + b".tar.gz", key.size)
    assert accepts(with_extension, data)
    assert not accepts(with_extension, data[1:] or b"x")


def test_every_hash_is_recorded() -> None:
    assert {parse_key(text).variety for text in keys_of(RECORDED)} == set(COMPUTABLE)


GOOD = b"hello content"
HASH = "b1ca0a4b9208190677baad077cc4870e29b38d5a55fddfce225e1f86913290df"
OTHER = "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"
XXH3 = "cc65a7aacbc01052"
UUID = "0b2ef465-3ed5-4d51-b7dd-1f7f2bb9f1d6"

# What became of a PUT with this key and GOOD: S for SUCCESS, F for FAILURE.
DECISIONS = [
    (f"SHA256-s13--{HASH}", "S"),
    (f"SHA256-s13--{OTHER}", "F"),
    (f"SHA256-s14--{HASH}", "S"),
    (f"SHA256--{HASH}", "S"),
    (f"SHA256-s13-m5--{HASH}", "S"),
    (f"SHA256-s13-S5-C1--{HASH}", "S"),
    (f"SHA256-s13--{HASH}.txt", "S"),
    (f"SHA256E-s13--{HASH}.tar.gz", "S"),
    (f"SHA256-s13--\\{HASH}", "S"),
    (f"SHA256E-s13--\\{HASH}.gz", "S"),
    (f"SHA256E-s13--\\\\{HASH}.gz", "F"),
    (f"SHA256-s13--{HASH.upper()}", "F"),
    (f"SHA256-s13--{HASH[:-1]}", "F"),
    (f"SHA256-s13--abc-{HASH}", "F"),
    ("SHA256-s13--", "F"),
    (f"GITBUNDLE-s13--{UUID}-{HASH}", "S"),
    (f"GITBUNDLE-s14--{UUID}-{HASH}", "S"),
    (f"GITBUNDLE-s13--{HASH}", "S"),
    (f"GITBUNDLE-s13--a.b-{HASH}", "S"),
    (f"GITBUNDLE-s13--{UUID}-{OTHER}", "F"),
    (f"GITBUNDLE-s13--{UUID}-\\{HASH}", "F"),
    (f"GITBUNDLE-s13--{UUID}-{HASH}.x", "F"),
    (f"GITBUNDLE-s13--{HASH}-", "F"),
    (f"XXH3-s13--{XXH3}", "S"),
    (f"XXH3--{XXH3}", "S"),
    (f"XXH3-s14--{XXH3}", "F"),
    (f"XXH3E-s14--{XXH3}.x", "F"),
    ("XXH3-s13--0000000000000000", "F"),
]
UNHASHED = ("WORM", "URL", "VURL", "GITMANIFEST", "GITBUNDLEE", "XFOO", "XFOOE", "FOO", "FOOE", "SHA999", "SHA256EE")


@pytest.mark.parametrize(("text", "decision"), DECISIONS)
def test_decisions_about_hash_keys(text: str, decision: str) -> None:
    key = parse_key(text.encode())
    need_package(key.variety)
    assert accepts(key, GOOD) == (decision == "S")


@pytest.mark.parametrize("variety", UNHASHED)
def test_other_keys_are_checked_by_size(variety: str) -> None:
    assert not computable(variety.encode())
    for field, decision in (("-s13", True), ("-s14", False), ("", True)):
        key = parse_key(f"{variety}{field}--{OTHER}".encode())
        assert hasher_for(key) is None
        assert accepts(key, GOOD) == decision


# The size field of a VURL key, its equivalent keys, and what became of a PUT of GOOD.
VURL_DECISIONS = [
    ("-s13", "", "S"),
    ("-s14", "", "F"),
    ("", "", "S"),
    ("-s13", f"SHA256-s13--{HASH}", "S"),
    ("-s13", f"SHA256-s14--{HASH}", "S"),
    ("-s14", f"SHA256-s13--{HASH}", "S"),
    ("-s13", f"SHA256-s13--{OTHER}", "F"),
    ("", f"SHA256-s13--{OTHER}", "F"),
    ("-s13", f"SHA256-s13--{OTHER} SHA256-s13--{HASH}", "S"),
    ("-s13", f"GITBUNDLE-s13--a-{HASH}", "S"),
    ("-s13", f"WORM-s13--{OTHER}", "F"),
    ("", f"FOO-s13--{OTHER}", "F"),
    ("-s13", f"SHA256-s13--{OTHER} WORM-s13--{OTHER}", "F"),
    ("-s13", f"SHA256-s13--{HASH} WORM-s13--{OTHER}", "S"),
    ("-s13", f"VURL-s13--{OTHER}", "S"),
    ("-s14", f"VURL-s13--{OTHER}", "F"),
    ("-s13", f"XXH3-s13--{XXH3}", "S"),
    ("-s13", f"XXH3-s14--{XXH3}", "S"),
    ("-s14", f"XXH3-s13--{XXH3}", "F"),
    ("-s13", f"XXH3-s13--{XXH3} WORM--x", "S"),
    ("-s13", f"XXH3-s13--{XXH3} SHA256-s13--{OTHER}", "F"),
    ("-s13", f"XXH3-s13--{OTHER} SHA256-s13--{HASH}", "S"),
]


@pytest.mark.parametrize(("size", "equivalents", "decision"), VURL_DECISIONS)
def test_decisions_about_vurl_keys(size: str, equivalents: str, decision: str) -> None:
    keys = tuple(parse_key(text) for text in keys_of(equivalents))
    for key in keys:
        need_package(key.variety)
    assert accepts(parse_key(f"VURL{size}--x".encode()), GOOD, keys) == (decision == "S")


def test_vurl_with_an_equivalent_that_is_not_computable() -> None:
    """Its size decides; but where another equivalent can be computed, that one does."""
    key = parse_key(b"VURL-s13--x")
    unknown = parse_key(b"BLAKE2SP224-s13--00")
    assert hasher_for(key, [unknown]) is None
    assert accepts(key, GOOD, (unknown,))
    assert not accepts(key, GOOD + b"x", (unknown,))
    assert accepts(key, GOOD, (unknown, parse_key(f"SHA256--{HASH}".encode())))
    assert not accepts(key, GOOD, (unknown, parse_key(f"SHA256--{OTHER}".encode())))


def test_equivalents_of_other_keys_do_not_count() -> None:
    equivalent = parse_key(f"SHA256--{HASH}".encode())
    assert not accepts(parse_key(f"SHA256--{OTHER}".encode()), GOOD, (equivalent,))
    assert not is_secure(parse_key(b"URL--x"), [equivalent])


def test_a_hash_of_several_equivalents_is_all_of_them() -> None:
    hasher = hasher_for(parse_key(b"VURL--x"), [parse_key(b"SHA256--a"), parse_key(b"SHA256--b")])
    assert hasher is not None
    hasher.update(GOOD)
    assert hasher.hexdigest() == f"{HASH} {HASH}"


# annex.securehashesonly=true let these pass, and no others.
SECURE = """SHA224 SHA256 SHA384 SHA512 SHA3_224 SHA3_256 SHA3_384 SHA3_512 SKEIN256 SKEIN512
BLAKE2B160 BLAKE2B224 BLAKE2B256 BLAKE2B384 BLAKE2B512 BLAKE2BP512
BLAKE2S160 BLAKE2S224 BLAKE2S256 BLAKE2SP224 BLAKE2SP256 BLAKE3_256"""


def test_secure_varieties() -> None:
    secure = {variety + suffix for variety in keys_of(SECURE) for suffix in (b"", b"E")} | {b"GITBUNDLE", b"VURL"}
    asked = {variety + suffix for variety in HASHES for suffix in (b"", b"E")} | set(keys_of(" ".join(UNHASHED)))
    assert {variety for variety in asked | secure if is_secure(Key(variety, b"x"))} == secure


@pytest.mark.parametrize(
    ("equivalents", "secure"),
    [
        ("", True),
        ("SHA256--x", True),
        ("SHA256--x GITBUNDLE--x", True),
        ("SHA256--x VURL--x", True),
        ("VURL--x", True),
        ("WORM--x", False),
        ("FOO--x", False),
        ("XXH3--x", False),
        ("SHA256--x WORM--x", False),
        ("SHA256--x XFOO--x", False),
    ],
)
def test_secure_vurl(equivalents: str, secure: bool) -> None:
    assert is_secure(Key(b"VURL", b"x"), [parse_key(text) for text in keys_of(equivalents)]) == secure


def assert_size_decides(variety: bytes) -> None:
    key = Key(variety, b"00", 13)
    assert not computable(variety)
    assert hasher_for(key) is None
    assert accepts(key, GOOD)
    assert not accepts(key, GOOD + b"x")
    assert accepts(Key(variety, b"00"), GOOD)


def test_blake2sp224_is_checked_by_size() -> None:
    assert_size_decides(NEVER)
    assert_size_decides(NEVER + b"E")


@pytest.mark.parametrize(("variety", "package"), PACKAGES.items())
def test_missing_package(variety: bytes, package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    assert_size_decides(variety)


def test_another_package_of_the_same_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "skein", ModuleType("skein"))
    assert_size_decides(b"SKEIN256")


@pytest.mark.parametrize("variety", COMPUTABLE)
@given(size=st.integers(0, 3000), cuts=st.lists(st.integers(0, 3000), max_size=8))
def test_splitting_changes_nothing(variety: bytes, size: int, cuts: list[int]) -> None:
    need_package(variety)
    data = memoryview(bytearray(content(size)))
    key = Key(variety, b"")
    whole, split = hasher_for(key), hasher_for(key)
    assert whole is not None
    assert split is not None
    whole.update(data)
    ends = [0, *sorted(min(cut, size) for cut in cuts), size]
    for start, end in pairwise(ends):
        split.update(data[start:end])
        if end % 3 == 0:
            split.hexdigest()  # asking in between is harmless
    assert split.hexdigest() == whole.hexdigest() == split.hexdigest()


def test_a_hasher_keeps_no_hold_of_the_buffer() -> None:
    for variety in (b"BLAKE2BP512", b"BLAKE2SP256"):
        buffer = bytearray(content(1300))
        hasher, same = hasher_for(Key(variety, b"")), hasher_for(Key(variety, b""))
        assert hasher is not None
        assert same is not None
        hasher.update(memoryview(buffer))
        same.update(content(1300))
        buffer[:] = b"other"  # neither refused nor noticed
        assert hasher.hexdigest() == same.hexdigest()


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("contents")
    subprocess.run(["git", "init", "--quiet", path], check=True)
    for size in SIZES:
        (path / f"{size}.tar.gz").write_bytes(content(size))
    return path


@pytest.mark.skipif(shutil.which("git-annex") is None, reason="needs git-annex")
@pytest.mark.parametrize("suffix", [b"", b"E"])
@pytest.mark.parametrize("variety", COMPUTABLE)
def test_keys_that_git_annex_calculates(variety: bytes, suffix: bytes, repository: Path) -> None:
    need_package(variety)
    backend = (variety + suffix).decode()
    command = ["git-annex", "calckey", f"--backend={backend}", *(f"{size}.tar.gz" for size in SIZES)]
    environment = {**os.environ, "HOME": str(repository)}
    printed = subprocess.run(command, cwd=repository, env=environment, check=True, stdout=subprocess.PIPE).stdout
    keys = [parse_key(line) for line in printed.splitlines()]
    assert [(key.variety, key.size) for key in keys] == [(backend.encode(), size) for size in SIZES]
    assert [size for key, size in zip(keys, SIZES) if not accepts(key, content(size))] == []
