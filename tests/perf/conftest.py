# SPDX-License-Identifier: Apache-2.0


def pytest_addoption(parser):
    parser.addoption("--record", action="store_true",
                     help="write the measured figure into recorded.json")
