select E'\'; x', $$;$$, $a$ $$ $a$, 'a'
'b', x'ff', U&'\0041'