<?php
// The front page as the service writes it, by the same query and with the same markup: what a careful author of such a
// page would write. The frame around the list never changes and is a file; the bench compares the whole page with the
// service's before it measures.

const SHOWN = 20;
const EXCERPT_CHARS = 280;

function text(string $text): string
{
    return str_replace(['&', '<', '>', '"', "'"], ['&#38;', '&#60;', '&#62;', '&#34;', '&#39;'], $text);
}

function colour(string $name): int
{
    $hash = 0x811c9dc5;
    foreach (unpack('C*', $name) as $byte) {
        $hash = (($hash ^ $byte) * 0x01000193) & 0xffffffff;
    }
    return $hash % 6;
}

function initials(string $name): string
{
    $words = preg_split('/[^\p{L}\p{N}]+/u', $name, -1, PREG_SPLIT_NO_EMPTY);
    $letters = array_map(fn ($word) => mb_substr_first($word), count($words) > 1 ? [$words[0], end($words)] : $words);
    return strtoupper(implode($letters));
}

function mb_substr_first(string $word): string
{
    preg_match('/^./u', $word, $first);
    return $first[0];
}

/** Of the kinds of Markdown that the seeded posts have. */
function excerpt(string $body): string
{
    $line = preg_replace(['/^(?:#+|-) /m', '/\*([^*]+)\*/'], ['', '$1'], $body);
    $line = trim(preg_replace('/\s+/', ' ', $line));
    if (strlen($line) <= EXCERPT_CHARS) {
        return $line;
    }
    $cut = substr($line, 0, EXCERPT_CHARS);
    $space = strrpos($cut, ' ');
    return ($space > EXCERPT_CHARS / 2 ? substr($cut, 0, $space) : $cut) . ' …';
}

function moment(string $at): string
{
    $at = new DateTimeImmutable($at, new DateTimeZone('UTC'));
    $age = max(0, time() - $at->getTimestamp());
    $count = fn (int $number, string $unit) => $number . ' ' . $unit . ($number === 1 ? '' : 's') . ' ago';
    $ago = match (true) {
        $age < 60 => 'just now',
        $age < 3600 => $count(intdiv($age, 60), 'minute'),
        $age < 86400 => $count(intdiv($age, 3600), 'hour'),
        $age < 2592000 => $count(intdiv($age, 86400), 'day'),
        default => $at->format('j F Y'),
    };
    $machine = rtrim(rtrim($at->format('Y-m-d\TH:i:s.u'), '0'), '.') . 'Z';
    return '<time datetime="' . $machine . '" title="' . $at->format('j F Y, H:i') . ' UTC">' . $ago . '</time>';
}

$database = new PDO(
    'mysql:host=127.0.0.1;charset=utf8mb4;dbname=site;port=' . getenv('DATABASE_PORT'),
    'site',
    getenv('DATABASE_PASSWORD'),
    [
        PDO::ATTR_PERSISTENT => true,
        PDO::ATTR_EMULATE_PREPARES => false,
        PDO::MYSQL_ATTR_SSL_CA => getenv('DATABASE_CA'),
        PDO::MYSQL_ATTR_SSL_CERT => getenv('DATABASE_CERTIFICATE'),
        PDO::MYSQL_ATTR_SSL_KEY => getenv('DATABASE_KEY'),
    ]
);
$posts = $database->prepare(
    'SELECT p.id, u.name, u.display_name, p.title, LEFT(p.body, 600) AS beginning, p.tags, p.created_at
     FROM posts p LEFT JOIN users u ON u.id = p.author_id WHERE p.id < ? ORDER BY p.id DESC LIMIT ?'
);
$posts->bindValue(1, '18446744073709551615');
$posts->bindValue(2, SHOWN + 1, PDO::PARAM_INT);
$posts->execute();
$rows = $posts->fetchAll(PDO::FETCH_OBJ);
$next = count($rows) > SHOWN ? pack('CJ', 1, $rows[SHOWN - 1]->id) : null;
header('Content-Type: text/html; charset=utf-8');
header('Cache-Control: private, no-cache');
header('Vary: cookie');
readfile(__DIR__ . '/head.html');
foreach (array_slice($rows, 0, SHOWN) as $row) {
    $name = $row->display_name ?? 'Former member';
    echo "\n<li>\n<article id=\"post-$row->id\" aria-labelledby=\"title-$row->id\">\n<h2 id=\"title-$row->id\"><a href=\"/posts/$row->id\"><bdi>",
        text($row->title), "</bdi></a></h2>\n<p class=\"when\">\n<span class=\"avatar avatar-", colour($name), '" aria-hidden="true">',
        text(initials($name)), "</span>\n";
    $shown = '<bdi>' . text($name) . '</bdi>';
    echo $row->name === null ? $shown : '<a href="/people/' . text($row->name) . '">' . $shown . '</a>';
    echo "\n· ", moment($row->created_at), "</p>\n<p class=\"excerpt\">", text(excerpt($row->beginning)), "</p>\n";
    $tags = preg_split('/\s+/', $row->tags, -1, PREG_SPLIT_NO_EMPTY);
    if ($tags) {
        echo "\n<ul class=\"tags\" aria-label=\"Tags\">\n";
        foreach ($tags as $tag) {
            echo '<li><a href="/tags/', rawurlencode($tag), '" rel="tag">', text($tag), '</a></li>';
        }
        echo "\n</ul>\n";
    }
    echo "\n</article>\n</li>\n";
}
echo "\n</ol>\n\n<nav class=\"paging\" aria-label=\"Pages\">\n\n";
if ($next !== null) {
    echo '<a rel="next" href="/?after=', rtrim(strtr(base64_encode($next), '+/', '-_'), '='), '">Older posts</a>';
}
readfile(__DIR__ . '/foot.html');
