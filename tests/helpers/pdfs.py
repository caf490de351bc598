"""PDFs written out by hand, with the objects that real tools write."""


def pdf_of(pages, to_unicode=None):
    """A PDF with a page for each list of lines; a page without lines is a picture's.

    Args:
        pages: lines of ASCII, or with ``to_unicode`` of glyph numbers in hexadecimal.
        to_unicode: code point (four hexadecimal digits) of glyph 1, 2, ...
    """
    font = b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"
    objects = [b"<< /Type /Catalog /Pages 2 0 R >>", b"", font]
    if to_unicode:
        codes = "\n".join(f"<{number:04x}> <{code}>" for number, code in enumerate(to_unicode, 1))
        cmap = (
            "/CIDInit /ProcSet findresource begin 12 dict begin begincmap /CMapName /X def /CMapType 2 def\n"
            "1 begincodespacerange <0000> <FFFF> endcodespacerange\n"
            f"{len(to_unicode)} beginbfchar\n{codes}\nendbfchar\nendcmap end end"
        )
        objects[2] = (
            b"<< /Type /Font /Subtype /Type0 /BaseFont /AAAAAA+X /Encoding /Identity-H /DescendantFonts [4 0 R]"
            b" /ToUnicode 6 0 R >>"
        )
        objects += [
            b"<< /Type /Font /Subtype /CIDFontType2 /BaseFont /AAAAAA+X /DW 1000 /FontDescriptor 5 0 R"
            b" /CIDSystemInfo << /Registry (Adobe) /Ordering (Identity) /Supplement 0 >> >>",
            b"<< /Type /FontDescriptor /FontName /AAAAAA+X /Flags 4 /FontBBox [0 0 1000 1000] /ItalicAngle 0"
            b" /Ascent 800 /Descent -200 /CapHeight 700 /StemV 80 >>",
            _stream(cmap.encode()),
        ]
    kids = []
    for lines in pages:
        shown = [f"<{line}>" if to_unicode else f"({line})" for line in lines]
        text = "BT /F1 12 Tf 10 300 Td " + " 0 -16 Td ".join(f"{line} Tj" for line in shown) + " ET"
        kids.append(f"{len(objects) + 1} 0 R")
        objects.append(
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 400] /Contents %d 0 R"
            b" /Resources << /Font << /F1 3 0 R >> >> >>" % (len(objects) + 2)
        )
        objects.append(_stream(text.encode() if lines else b"0 0 100 100 re f"))
    objects[1] = f"<< /Type /Pages /Kids [{' '.join(kids)}] /Count {len(kids)} >>".encode()
    return _file(objects)


def _stream(content):
    return b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content)


def _file(objects):
    body, offsets = b"%PDF-1.4\n", []
    for number, content in enumerate(objects, 1):
        offsets.append(len(body))
        body += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    trailer = b"trailer << /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF" % (len(objects) + 1, len(body))
    return b"%sxref\n0 %d\n0000000000 65535 f \n%s%s" % (body, len(objects) + 1, table, trailer)


def locked():
    """A PDF that opens only with a password."""
    secret = "ab" * 32
    encrypt = f"/Encrypt << /Filter /Standard /V 1 /R 2 /O <{secret}> /U <{secret}> /P -4 >> /ID [<00> <00>] /Root"
    return pdf_of([["secret"]]).replace(b"/Root", encrypt.encode())
