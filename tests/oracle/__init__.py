"""An oracle from the outside: random fleets, judged by what SPEC says of them and not by what the solver does.

Of the program two things are asked: what a fixed choice of one workload needs and gives (`estimate`, of a plan with
nothing left open), and the answer under test (`solve`). What is rented and shared, what it costs, what bounds, rules
and preferences say of it, the objective and the tie-break are computed here, for every combination of choices, offers
and markets. Nothing of `planner.solve` is imported but the type of an answer.

- `plans`: a fleet as data, and its text; `words`: its conditions: their text, and their value
- `fleets`: random fleets by seed
- `physics`: what a fixed choice needs and gives, asked once; `asking`: the two questions
- `truth`: what a plan says of a combination; `search`: the best of all
- `verdict`: whether an answer is that one; `smaller`: the least plan that shows a fault
- `laws`: what must hold between the answers of two plans

More seeds than the suite has, from a wider choice of models and GPUs, one process for each of several ranges:
`python -m tests.oracle --seeds 100000..101000`, and `--laws` for the laws. What is wrong is printed with its plan and
with what is right; `--shrink` makes the plan as small as it can be.
"""
