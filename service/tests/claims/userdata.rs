//! Configuration by user-data, from a metadata server that stands in for a cloud's.

use std::sync::{Arc, Mutex};

use service::userdata::{Source, wait};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::fixture::CONFIG;

/// What the server has and what it was asked.
#[derive(Default)]
struct Cloud {
    sessions: bool,
    user_data: Vec<&'static str>,
    asked: Vec<String>,
}

async fn serve(cloud: Arc<Mutex<Cloud>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            answer(stream, &cloud).await;
        }
    });
    address
}

async fn answer(stream: TcpStream, cloud: &Mutex<Cloud>) {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while reader.read_line(&mut head).await.unwrap() > 2 {}
    let line = head.lines().next().unwrap_or_default().to_owned();
    let (status, body) = judged(&mut cloud.lock().unwrap(), &line, &head);
    let answer = format!("HTTP/1.1 {status} -\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    reader.get_mut().write_all(answer.as_bytes()).await.unwrap();
}

fn judged(cloud: &mut Cloud, line: &str, head: &str) -> (u16, String) {
    cloud.asked.push(line.to_owned());
    let with_token = head.contains("x-aws-ec2-metadata-token: t0ken\r\n");
    match line {
        "PUT /latest/api/token HTTP/1.1" if cloud.sessions => (200, "t0ken".to_owned()),
        "GET /latest/user-data HTTP/1.1" if cloud.sessions && !with_token => (401, String::new()),
        "GET /latest/user-data HTTP/1.1" | "GET /seed/user-data HTTP/1.1" => match cloud.user_data.len() {
            0 => (404, String::new()),
            1 => (200, cloud.user_data[0].to_owned()),
            _ => (200, cloud.user_data.remove(0).to_owned()),
        },
        _ => (404, String::new()),
    }
}

/// What the console says until the configuration is there.
async fn told(source: Source, mend: impl Fn(&str)) -> Vec<String> {
    let told = Mutex::new(Vec::new());
    let config = wait(&source, |words| {
        mend(words);
        told.lock().unwrap().push(words.to_owned());
    });
    let deadline = std::time::Duration::from_secs(30);
    let config = tokio::time::timeout(deadline, config).await.expect("a configuration in time");
    assert_eq!(config.host, "www.foobar.com");
    told.into_inner().unwrap()
}

fn cloud(sessions: bool, user_data: &[&'static str]) -> Arc<Mutex<Cloud>> {
    Arc::new(Mutex::new(Cloud { sessions, user_data: user_data.to_vec(), asked: Vec::new() }))
}

#[tokio::test]
async fn a_session_is_opened_where_the_cloud_has_them_and_only_there() {
    for (sessions, requests) in [(true, 2), (false, 2)] {
        let cloud = cloud(sessions, &[CONFIG]);
        let source = Source::Ec2(serve(Arc::clone(&cloud)).await);
        assert_eq!(told(source, |_| {}).await, Vec::<String>::new());
        // Read once: a token, the user-data, nothing more.
        assert_eq!(cloud.lock().unwrap().asked.len(), requests);
    }
}

#[tokio::test]
async fn a_seed_on_a_web_server_does_as_well() {
    let cloud = cloud(false, &[CONFIG]);
    let seed = format!("http://{}/seed", serve(Arc::clone(&cloud)).await);
    assert_eq!(told(Source::from_argument(Some(&seed)).unwrap(), |_| {}).await, Vec::<String>::new());
    assert_eq!(cloud.lock().unwrap().asked, ["GET /seed/user-data HTTP/1.1"]);
}

#[tokio::test]
async fn wrong_user_data_is_named_by_its_key_and_asked_for_again() {
    const MISSPELT: &str = "hots = \"www.foobar.com\"\n";
    const SECRET: &str = "password = hunter2hunter2\n";
    let cloud = cloud(true, &[MISSPELT, SECRET, CONFIG]);
    let said = told(Source::Ec2(serve(cloud).await), |_| {}).await;
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(said[0].contains("unknown key `hots`: did you mean `host`?; asking again in 0.5 s"), "{said:?}");
    assert!(said[1].contains("the user-data is refused: line 1") && !said[1].contains("hunter2"), "{said:?}");
}

#[tokio::test]
async fn missing_user_data_are_waited_for() {
    let cloud = cloud(true, &[]);
    let address = serve(Arc::clone(&cloud)).await;
    let said = told(Source::Ec2(address), |_| cloud.lock().unwrap().user_data.push(CONFIG)).await;
    assert_eq!(said, ["no user-data: the metadata server answers 404; asking again in 0.5 s"]);
}
