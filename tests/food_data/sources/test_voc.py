import pytest

from food_data.sources import voc

CARROT = """<object><name>carrot</name><pose>Left</pose><bndbox>
<xmin>271</xmin><ymin>181</ymin><xmax>340</xmax><ymax>200</ymax></bndbox>
<part><name>leaf</name><bndbox/></part></object>"""
SIZE = "<size><width>640</width><height>480</height><depth>3</depth></size>"


def write(folder, objects=CARROT, size=SIZE, name="1.jpg", prolog=""):
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "1.xml"
    path.write_text(f"{prolog}<annotation><filename>{name}</filename>{size}{objects}</annotation>")
    return path


def test_pixels_are_counted_from_one(tmp_path):
    (picture,) = voc.read_voc([write(tmp_path)])
    assert (picture.path, picture.size) == (tmp_path / "1.jpg", (640, 480))
    (carrot,) = picture.objects
    assert carrot.label == "carrot"
    assert carrot.box.tolist() == [[270, 180], [340, 200]]
    assert (carrot.axis, carrot.shape) == (None, None)


def test_an_unknown_size(tmp_path):
    for size in ("", "<size><width>0</width><height>0</height></size>"):
        assert voc.read_voc([write(tmp_path, size=size)])[0].size is None


def test_where_pictures_are(tmp_path):
    path = write(tmp_path / "Annotations")
    assert voc.read_voc([path])[0].path == tmp_path / "Annotations" / "1.jpg"
    (tmp_path / "JPEGImages").mkdir()
    assert voc.read_voc([path])[0].path == tmp_path / "JPEGImages" / "1.jpg"
    assert voc.read_voc([path], tmp_path)[0].path == tmp_path / "1.jpg"
    assert voc.read_voc([tmp_path / "Annotations"])[0].source == "JPEGImages/1.jpg"


@pytest.mark.parametrize(
    "objects, message",
    [
        ("<object/>", "object 1: expected a <name>"),
        (CARROT + "<object><name>a</name></object>", r"object 2 \(a\): expected a number in <bndb"),
        (CARROT.replace("271", "x"), r"object 1 \(carrot\): expected a number in <bndbox/xmin>, g"),
        (CARROT.replace("271", "nan"), "got 'nan'"),
        (CARROT.replace("271", "371"), "expected xmin <= xmax and ymin <= ymax, got .371"),
    ],
)
def test_wrong_objects_are_named(tmp_path, objects, message):
    with pytest.raises(ValueError, match=f"1.xml: .*{message}"):
        voc.read_voc([write(tmp_path, objects)])


def test_files_of_another_form_are_refused(tmp_path):
    with pytest.raises(ValueError, match="1.xml: expected <annotation> with a <filename>"):
        voc.read_voc([write(tmp_path, name="")])
    (tmp_path / "1.xml").write_text("<annotation>")
    with pytest.raises(ValueError, match="1.xml is not XML: no element found"):
        voc.read_voc([tmp_path / "1.xml"])
    with pytest.raises(ValueError, match="size/width.*got 'wide'"):
        voc.read_voc([write(tmp_path, size=SIZE.replace("640", "wide"))])


BOMB = """<!DOCTYPE annotation [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>"""
OUTSIDE = '<!DOCTYPE annotation [<!ENTITY secret SYSTEM "secret.txt">]>'


@pytest.mark.parametrize("prolog", [BOMB, OUTSIDE, "<!DOCTYPE annotation>"])
def test_a_doctype_is_refused_before_anything_is_expanded(tmp_path, prolog):
    (tmp_path / "secret.txt").write_text("1.jpg")
    with pytest.raises(ValueError, match="1.xml: expected XML without a DOCTYPE, got one"):
        voc.read_voc([write(tmp_path, prolog=prolog, name="&secret;")])


def test_a_doctype_in_another_encoding_is_refused_too(tmp_path):
    path = write(tmp_path, prolog=BOMB, name="&b;")
    path.write_bytes(path.read_text().encode("utf-16"))
    with pytest.raises(ValueError, match="expected XML without a DOCTYPE"):
        voc.read_voc([path])
