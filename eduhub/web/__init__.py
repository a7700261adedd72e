"""Pages: server-rendered HTML that works without JavaScript.

A view parses, calls the domain and answers; the rule itself is in the domain. One file a
kind of reader: accounts (signing in), learning (children), teaching (teachers), school
(admins), operator, box (what a school's box shows of itself).
"""
