"""Invents the sample collection: 5,040 short documents in 12 languages and 11 scripts.

Every document has a topic and takes most of its words from it, so that a query about a topic
finds its documents. Always the same documents, in the same order.
"""

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

SEED = 20261121
PER_LANGUAGE = 420
FIRST_DAY = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)
# Languages that write words without spaces between them.
UNSPACED = {"zh": "，", "ja": "、", "th": " "}

# Per language six topics of six words: sea, mountains, music, kitchen, sky, school.
TOPICS = {
    "en": (
        "harbour sail tide lighthouse fisherman wave",
        "summit glacier trail valley shepherd snow",
        "violin melody choir rhythm concert drum",
        "bread oven recipe garlic soup cheese",
        "star comet telescope orbit moon galaxy",
        "library pupil lesson notebook teacher essay",
    ),
    "es": (
        "puerto vela marea faro pescador ola",
        "cumbre glaciar sendero valle pastor nieve",
        "violín melodía coro ritmo concierto tambor",
        "pan horno receta ajo sopa queso",
        "estrella cometa telescopio órbita luna galaxia",
        "biblioteca alumno lección cuaderno maestra ensayo",
    ),
    "ru": (
        "гавань парус прилив маяк рыбак волна",
        "вершина ледник тропа долина пастух снег",
        "скрипка мелодия хор ритм концерт барабан",
        "хлеб печь рецепт чеснок суп сыр",
        "звезда комета телескоп орбита луна галактика",
        "библиотека ученик урок тетрадь учитель сочинение",
    ),
    "el": (
        "λιμάνι πανί παλίρροια φάρος ψαράς κύμα",
        "κορυφή παγετώνας μονοπάτι κοιλάδα βοσκός χιόνι",
        "βιολί μελωδία χορωδία ρυθμός συναυλία τύμπανο",
        "ψωμί φούρνος συνταγή σκόρδο σούπα τυρί",
        "αστέρι κομήτης τηλεσκόπιο τροχιά φεγγάρι γαλαξίας",
        "βιβλιοθήκη μαθητής μάθημα τετράδιο δάσκαλος έκθεση",
    ),
    "ar": (
        "ميناء شراع مد منارة صياد موجة",
        "قمة جليد درب وادي راعي ثلج",
        "كمان لحن جوقة إيقاع حفلة طبل",
        "خبز فرن وصفة ثوم حساء جبن",
        "نجمة مذنب تلسكوب مدار قمر مجرة",
        "مكتبة تلميذ درس دفتر معلم مقال",
    ),
    "he": (
        "נמל מפרש גאות מגדלור דייג גל",
        "פסגה קרחון שביל עמק רועה שלג",
        "כינור מנגינה מקהלה קצב קונצרט תוף",
        "לחם תנור מתכון שום מרק גבינה",
        "כוכב שביט טלסקופ מסלול ירח גלקסיה",
        "ספרייה תלמיד שיעור מחברת מורה חיבור",
    ),
    "hi": (
        "बंदरगाह पाल ज्वार प्रकाशस्तंभ मछुआरा लहर",
        "शिखर हिमनद पगडंडी घाटी चरवाहा बर्फ",
        "वायलिन धुन गायकदल ताल संगीत ढोल",
        "रोटी तंदूर विधि लहसुन शोरबा पनीर",
        "तारा धूमकेतु दूरबीन कक्षा चाँद आकाशगंगा",
        "पुस्तकालय छात्र पाठ कॉपी शिक्षक निबंध",
    ),
    "zh": (
        "港口 船帆 潮水 灯塔 渔夫 海浪",
        "山顶 冰川 小径 山谷 牧人 白雪",
        "提琴 旋律 合唱 节奏 音乐会 大鼓",
        "面包 烤炉 食谱 大蒜 热汤 奶酪",
        "星星 彗星 望远镜 轨道 月亮 银河",
        "图书馆 学生 课程 笔记本 老师 作文",
    ),
    "ja": (
        "みなと 帆船 潮の満ち引き 灯台 漁師 大波",
        "山頂 氷河 登山道 谷間 羊飼い 雪景色",
        "バイオリン メロディー 合唱団 リズム コンサート 太鼓",
        "パン オーブン レシピ にんにく スープ チーズ",
        "星座 彗星 望遠鏡 軌道 満月 銀河",
        "図書館 生徒 授業 ノート 先生 作文",
    ),
    "ko": (
        "항구 돛단배 밀물 등대 어부 파도",
        "정상 빙하 오솔길 골짜기 목동 눈보라",
        "바이올린 선율 합창단 리듬 연주회 북소리",
        "빵집 화덕 요리법 마늘 국물 치즈",
        "별자리 혜성 망원경 궤도 보름달 은하수",
        "도서관 학생 수업 공책 선생님 글짓기",
    ),
    "th": (
        "ท่าเรือ ใบเรือ น้ำขึ้น ประภาคาร ชาวประมง คลื่น",
        "ยอดเขา ธารน้ำแข็ง ทางเดิน หุบเขา คนเลี้ยงแกะ หิมะ",
        "ไวโอลิน ทำนอง คณะประสานเสียง จังหวะ คอนเสิร์ต กลอง",
        "ขนมปัง เตาอบ สูตรอาหาร กระเทียม ซุป เนยแข็ง",
        "ดวงดาว ดาวหาง กล้องโทรทรรศน์ วงโคจร พระจันทร์ กาแล็กซี",
        "ห้องสมุด นักเรียน บทเรียน สมุด ครู เรียงความ",
    ),
    "ka": (
        "ნავსადგური აფრა მოქცევა შუქურა მეთევზე ტალღა",
        "მწვერვალი მყინვარი ბილიკი ხეობა მწყემსი თოვლი",
        "ვიოლინო მელოდია გუნდი რიტმი კონცერტი დოლი",
        "პური ღუმელი რეცეპტი ნიორი წვნიანი ყველი",
        "ვარსკვლავი კომეტა ტელესკოპი ორბიტა მთვარე გალაქტიკა",
        "ბიბლიოთეკა მოსწავლე გაკვეთილი რვეული მასწავლებელი თხზულება",
    ),
}


def documents() -> Iterator[dict[str, Any]]:
    """All of them, language by language."""
    rng = random.Random(SEED)
    for language, topics in TOPICS.items():
        for number in range(PER_LANGUAGE):
            yield document(rng, language, [words.split() for words in topics], number)


def document(
    rng: random.Random, language: str, topics: list[list[str]], number: int
) -> dict[str, Any]:
    """One document: its title names two words of its topic, its body has three sentences."""
    topic = topics[number % len(topics)]
    between = "" if language in UNSPACED else " "
    sentences = []
    for _ in range(3):
        words = rng.sample(topic, 3) + rng.sample(rng.choice(topics), 2)
        rng.shuffle(words)
        pause = UNSPACED.get(language, ", ")
        sentences.append(between.join(words[:3]) + pause + between.join(words[3:]))
    indexed_at = FIRST_DAY + timedelta(minutes=rng.randrange(300_000))
    return {
        "doc_id": f"{language}:{number:04}",
        "title": (between or " ").join(rng.sample(topic, 2)).capitalize(),
        "body": ". ".join(sentences) + ".",
        "language": language,
        "indexed_at": indexed_at,
        "modified_at": indexed_at + timedelta(minutes=rng.randrange(10_000)),
    }
