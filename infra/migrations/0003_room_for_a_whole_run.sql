-- Of each row of a page a run writes two versions, and a batch takes the whole page at once: the first ones can't be pruned yet when the second ones are written.
-- At a third there is room for all of them; at a half (0002) most settlements went to other pages, with an entry in each index.
-- What is stored already is rewritten as it runs.
alter table task_state set (fillfactor = 33);
