# SPDX-License-Identifier: MIT
"""A test with a server of its own, whose books must be right when it is over."""


def run(report, name, function, binary, config):
    """Runs function(report, server) against a server with that configuration."""
    import florin

    def lived(report):
        with florin.serving(florin=binary, config=config) as server:
            function(report, server)
            with server.client() as admin:
                books = admin.get("/check-integrity?depth=full")
                report.check("the books are consistent", books.json["consistent"], books)
            report.equal("a clean stop", server.stop(), 0)
            if "postgres" not in report.suite:
                verified = server.verify()
                report.equal("verified", verified.returncode, 0, verified.stdout)

    report.run(name, lived)
